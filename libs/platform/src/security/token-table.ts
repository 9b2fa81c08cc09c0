import { createHash, timingSafeEqual } from 'node:crypto';
import { type GrantedScope, grants, isGrantedScope, type Scope, scopes } from './scopes.js';

/** One token that is let in; the token itself is kept nowhere. */
export interface TokenEntry {
  /** Who holds it, for the log. */
  readonly name: string;
  /** SHA-256 of the token, 64 lower-case hex digits. */
  readonly sha256: string;
  /** The end of its life. */
  readonly expires: Date;
  readonly scopes: readonly GrantedScope[];
}

/** What becomes of whoever presents a token, or none. */
export type Verdict =
  | { readonly kind: 'admitted'; readonly caller: string }
  | { readonly kind: 'unauthenticated'; readonly reason: string }
  | { readonly kind: 'denied'; readonly caller: string; readonly reason: string };

/** A tokens file that is not one; names every problem. */
export class TokensFileError extends Error {
  override readonly name = 'TokensFileError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.problems = problems;
  }
}

const entryFields = ['name', 'sha256', 'expires', 'scopes'];

/** The tokens that a server lets in. */
export class TokenTable {
  readonly entries: readonly TokenEntry[];

  constructor(entries: readonly TokenEntry[]) {
    this.entries = entries;
  }

  /**
   * Reads `{"tokens": [{"name", "sha256", "expires", "scopes"}]}`: JSON with RFC 3339 times and scopes of `scopes`.
   *
   * @throws TokensFileError
   */
  static parse(text: string): TokenTable {
    const problems: string[] = [];
    const entries = readEntries(text, problems);
    const names = entries.map(({ name }) => name);
    for (const name of new Set(names.filter((each, i) => names.indexOf(each) !== i))) {
      problems.push(`the name "${name}" stands twice`);
    }
    if (problems.length > 0) throw new TokensFileError(problems);
    return new TokenTable(entries);
  }

  /** This table and one token more, given in clear. */
  with(entry: Omit<TokenEntry, 'sha256'> & { readonly token: string }): TokenTable {
    const { token, ...rest } = entry;
    return new TokenTable([...this.entries, { ...rest, sha256: digestOf(token).toString('hex') }]);
  }

  /** Judges a token for a scope; without a scope any living token will do. Takes the same time whichever token it is. */
  judge(token: string | undefined, scope: Scope | undefined, now: Date = new Date()): Verdict {
    if (token === undefined) return { kind: 'unauthenticated', reason: 'this call needs a bearer token' };
    const digest = digestOf(token);
    let found: TokenEntry | undefined;
    for (const entry of this.entries) {
      if (timingSafeEqual(digest, Buffer.from(entry.sha256, 'hex'))) found = entry;
    }
    if (found === undefined) return { kind: 'unauthenticated', reason: 'the token is not known' };
    if (found.expires <= now) {
      return { kind: 'unauthenticated', reason: `the token expired at ${found.expires.toISOString()}` };
    }
    if (scope !== undefined && !grants(found.scopes, scope)) {
      return { kind: 'denied', caller: found.name, reason: `the token does not have the scope ${scope}` };
    }
    return { kind: 'admitted', caller: found.name };
  }
}

/** The token of an `Authorization: Bearer` header; undefined for anything else. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? '')?.[1];
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function readEntries(text: string, problems: string[]): TokenEntry[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    problems.push('it is not JSON');
    return [];
  }
  const list = isRecord(parsed) ? parsed['tokens'] : undefined;
  if (!Array.isArray(list)) {
    problems.push('it must be {"tokens": [...]}');
    return [];
  }
  return list.flatMap((item: unknown, i) => readEntry(item, `tokens[${i}]`, problems));
}

function readEntry(item: unknown, path: string, problems: string[]): TokenEntry[] {
  if (!isRecord(item)) {
    problems.push(`${path} must be an object`);
    return [];
  }
  const { name, sha256, expires, scopes: granted } = item;
  const before = problems.length;
  for (const field of Object.keys(item)) {
    if (!entryFields.includes(field)) problems.push(`${path} has an unknown field`);
  }
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name)) {
    problems.push(`${path}.name must be 1 to 63 lower-case letters, digits, ., _ and -`);
  }
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
    problems.push(`${path}.sha256 must be 64 lower-case hex digits`);
  }
  const time = typeof expires === 'string' && /^\d{4}-\d\d-\d\dT/.test(expires) ? new Date(expires) : undefined;
  if (time === undefined || Number.isNaN(time.getTime())) {
    problems.push(`${path}.expires must be a time such as 2030-01-31T00:00:00Z`);
  }
  if (!Array.isArray(granted) || granted.length === 0 || !granted.every((each) => isScopeText(each))) {
    problems.push(`${path}.scopes must be some of ${scopes.join(', ')}, or <service>:*, or *`);
  }
  if (problems.length > before) return [];
  return [
    {
      name: name as string,
      sha256: sha256 as string,
      expires: time as Date,
      scopes: granted as GrantedScope[],
    },
  ];
}

function isScopeText(value: unknown): boolean {
  return typeof value === 'string' && isGrantedScope(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
