const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A message's JSON form as bytes. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value, nonFiniteAsString));
}

/** @throws SyntaxError. */
export function decodeJson(bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes));
}

/** Protobuf JSON has strings for the numbers that JSON lacks; JSON.stringify alone makes them null, and null is read as 0. */
function nonFiniteAsString(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
