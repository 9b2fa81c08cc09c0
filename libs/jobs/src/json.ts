import { jsonText } from '@percept/contracts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A message's JSON form as bytes. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(jsonText(value));
}

/** @throws SyntaxError. */
export function decodeJson(bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes));
}
