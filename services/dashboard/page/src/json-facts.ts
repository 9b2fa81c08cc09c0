/** Flattens JSON to rows of a dotted path and a text, in order; empty lists and objects vanish. */
export function jsonFacts(value: unknown, path = ''): (readonly [string, string])[] {
  if (value === null || value === undefined || value === '') return [];
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object')) return value.length === 0 ? [] : [[path, value.join(', ')]];
    return value.flatMap((item, index) => jsonFacts(item, `${path}[${index}]`));
  }
  if (typeof value === 'object') {
    return Object.entries(value).flatMap(([name, inner]) => jsonFacts(inner, path === '' ? name : `${path}.${name}`));
  }
  return [[path, String(value)]];
}
