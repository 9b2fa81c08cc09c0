/**
 * Writes the JSON form of a message (`X.toJSON(...)`) as text. Infinity and NaN, which JSON.stringify would silently
 * turn into null, become the strings that protobuf's JSON mapping prescribes and `X.fromJSON` reads.
 */
export function jsonText(value: unknown, indent = 0): string {
  return JSON.stringify(
    value,
    (_key, item: unknown) => (typeof item === 'number' && !Number.isFinite(item) ? String(item) : item),
    indent,
  );
}
