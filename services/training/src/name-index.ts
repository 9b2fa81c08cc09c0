/** One registered version of a name. */
export interface VersionEntry {
  readonly version: number;
  readonly id: string;
  /** ISO 8601. */
  readonly createTime: string;
}

/** A change that was made under a request id, so that a repeated request is recognised. */
export interface AnsweredRequest {
  readonly requestId: string;
  /** What was asked for. */
  readonly content: string;
  /** The model of the answer; empty where there was none. */
  readonly modelId: string;
}

/** Everything that is known under a name: the only place where versions and aliases are decided. */
export interface NameIndex {
  readonly lastVersion: number;
  readonly versions: readonly VersionEntry[];
  readonly aliases: Readonly<Record<string, number>>;
  readonly requests: readonly AnsweredRequest[];
}

export const emptyNameIndex: NameIndex = { lastVersion: 0, versions: [], aliases: {}, requests: [] };

const rememberedRequests = 200;

/** The index with a further version; a model that has one keeps it. */
export function withVersion(index: NameIndex, id: string, createTime: string): NameIndex {
  if (index.versions.some((entry) => entry.id === id)) return index;
  const version = index.lastVersion + 1;
  return { ...index, lastVersion: version, versions: [...index.versions, { version, id, createTime }] };
}

/** The index with an alias pointing to a version; version 0 removes it. */
export function withAlias(index: NameIndex, alias: string, version: number): NameIndex {
  const { [alias]: _, ...others } = index.aliases;
  return { ...index, aliases: version === 0 ? others : { ...others, [alias]: version } };
}

/** The index without a version, whose number is never given again. */
export function withoutVersion(index: NameIndex, version: number): NameIndex {
  return { ...index, versions: index.versions.filter((entry) => entry.version !== version) };
}

/** The index that remembers a request; the oldest are forgotten. */
export function withRequest(index: NameIndex, request: AnsweredRequest): NameIndex {
  return { ...index, requests: [...index.requests, request].slice(-rememberedRequests) };
}

/** The aliases of a version, sorted. */
export function aliasesOf(index: NameIndex, version: number): string[] {
  return Object.keys(index.aliases)
    .filter((alias) => index.aliases[alias] === version)
    .sort();
}
