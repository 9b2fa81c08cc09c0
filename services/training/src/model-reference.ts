/** What the text of a reference names. */
export type ParsedReference =
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'newest'; readonly name: string }
  | { readonly kind: 'version'; readonly name: string; readonly version: number }
  | { readonly kind: 'alias'; readonly name: string; readonly alias: string };

const idPattern = /^[0-9a-f]{16}-[0-9a-f]{8}$/;
const namePattern = '[a-z][a-z0-9-]{0,62}';
const referencePattern = new RegExp(
  `^(?<name>${namePattern})(?:@(?<version>[1-9][0-9]{0,8})|[@:](?<alias>${namePattern}))?$`,
);

/** Whether a text has the form of a model's id, which no name may have. */
export function isModelId(text: string): boolean {
  return idPattern.test(text);
}

/** Reads `NAME`, `NAME@VERSION`, `NAME@ALIAS` (or `NAME:ALIAS`) or an id; undefined for anything else. */
export function parseReference(text: string): ParsedReference | undefined {
  if (isModelId(text)) return { kind: 'id', id: text };
  const { name, version, alias } = referencePattern.exec(text)?.groups ?? {};
  if (name === undefined) return undefined;
  if (version !== undefined) return { kind: 'version', name, version: Number(version) };
  return alias === undefined ? { kind: 'newest', name } : { kind: 'alias', name, alias };
}
