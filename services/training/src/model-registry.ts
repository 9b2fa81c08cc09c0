import { Model, sha256Hex } from '@percept/contracts';
import { ConditionFailedError, findObject, type Store } from '@percept/store';
import { CorruptRegistryError, ModelInUseError, ModelNotFoundError, ModelRequestReusedError } from './errors.js';
import { type ParsedReference, parseReference } from './model-reference.js';
import {
  aliasesOf,
  emptyNameIndex,
  type NameIndex,
  type VersionEntry,
  withAlias,
  withoutVersion,
  withRequest,
  withVersion,
} from './name-index.js';

/** What a model is registered with; id, version, digest, size and time follow. */
export type ModelDraft = Omit<Model, 'id' | 'version' | 'aliases' | 'digest' | 'sizeBytes' | 'createTime'>;

/** A page of models. */
export interface ModelPage {
  readonly models: Model[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

const namesFolder = 'model-names/';
const cachedCards = 1_000;

/**
 * Models in the store. Weights and card of a model never change; a model exists once the index of its name has a version for it, which is
 * changed by conditional puts only, so that any number of processes may register at once.
 */
export class ModelRegistry {
  readonly #store: Store;
  readonly #cards = new Map<string, Model>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Registers weights under the draft's name as its next version. `origin` names the job or request that they come from: the same origin
   * with the same weights gives the same model.
   *
   * @throws ModelRequestReusedError when the origin registered other weights under this name.
   */
  async register(weights: Uint8Array, draft: ModelDraft, origin: string): Promise<Model> {
    const digest = sha256Hex(weights);
    const id = `${digest.slice(0, 16)}-${sha256Hex(`${draft.name}\0${origin}`).slice(0, 8)}`;
    const card: Model = {
      ...draft,
      id,
      version: 0,
      aliases: [],
      digest,
      sizeBytes: weights.byteLength,
      createTime: new Date(),
    };
    await this.#change(draft.name, { requestId: origin, content: `register ${digest}` }, async (index) => {
      await this.#store.put(weightsKey(id), weights, { sha256: digest });
      await this.#store.put(cardKey(id), new TextEncoder().encode(JSON.stringify(Model.toJSON(card))));
      this.#cards.delete(id);
      return { index: withVersion(index, id, (card.createTime as Date).toISOString()), modelId: id };
    });
    return await this.get(id);
  }

  /** @throws ModelNotFoundError. */
  async get(reference: string): Promise<Model> {
    const parsed = parseReference(reference);
    if (parsed === undefined) throw new ModelNotFoundError(reference);
    const name = parsed.kind === 'id' ? (await this.#card(parsed.id))?.name : parsed.name;
    if (name === undefined) throw new ModelNotFoundError(reference);
    const { index } = await this.#index(name);
    const entry = findEntry(index, parsed);
    if (entry === undefined) throw new ModelNotFoundError(reference);
    return await this.#model(entry, index);
  }

  /** The model that an origin registered under a name, unless it was deleted since. */
  async registeredBy(name: string, origin: string): Promise<Model | undefined> {
    const { index } = await this.#index(name);
    const id = index.requests.find(({ requestId }) => requestId === origin)?.modelId;
    const entry = index.versions.find((known) => known.id === id);
    return entry && (await this.#model(entry, index));
  }

  /** The weights of a model, as its digest says. @throws ModelNotFoundError. */
  async weights(model: Model): Promise<Uint8Array> {
    const stored = await findObject(this.#store, weightsKey(model.id));
    if (stored === undefined) throw new ModelNotFoundError(model.id);
    if (sha256Hex(stored.bytes) !== model.digest) throw new CorruptRegistryError(weightsKey(model.id));
    return stored.bytes;
  }

  /** Models, newest first, after the one that the token names. An empty name means all. */
  async list(name: string, pageSize: number, pageToken: string): Promise<ModelPage> {
    const indexes: NameIndex[] = [];
    if (name === '') {
      for await (const { key } of this.#store.list(namesFolder)) {
        indexes.push((await this.#index(key.slice(namesFolder.length, -'.json'.length))).index);
      }
    } else {
      indexes.push((await this.#index(name)).index);
    }
    const entries = indexes
      .flatMap((index) => index.versions.map((entry) => ({ entry, index, place: placeOf(entry) })))
      .sort((a, b) => (a.place < b.place ? 1 : -1))
      .filter(({ place }) => pageToken === '' || place < pageToken);
    const page = entries.slice(0, pageSize);
    const last = entries.length > pageSize ? page.at(-1) : undefined;
    return {
      models: await Promise.all(page.map(({ entry, index }) => this.#model(entry, index))),
      nextPageToken: last?.place ?? '',
    };
  }

  /**
   * Points an alias to a version, or with version 0 removes it.
   *
   * @throws ModelNotFoundError when there is no such version.
   */
  async setAlias(name: string, alias: string, version: number, requestId: string): Promise<Model | undefined> {
    const modelId = await this.#change(name, { requestId, content: `alias ${alias} ${version}` }, async (index) => {
      const entry = index.versions.find((known) => known.version === version);
      const exists = version === 0 ? index.lastVersion > 0 : entry !== undefined;
      if (!exists) throw new ModelNotFoundError(version === 0 ? name : `${name}@${version}`);
      return { index: withAlias(index, alias, version), modelId: entry?.id ?? '' };
    });
    return modelId === '' ? undefined : await this.get(modelId);
  }

  /**
   * Deletes one version, named by `NAME@VERSION` or an id; the card stays behind, so that the id is known as a deleted one.
   *
   * @throws ModelNotFoundError, ModelInUseError while an alias points to it.
   */
  async delete(reference: string, requestId: string): Promise<void> {
    const parsed = parseReference(reference);
    const name = parsed?.kind === 'id' ? (await this.#card(parsed.id))?.name : parsed?.name;
    if (parsed === undefined || name === undefined) throw new ModelNotFoundError(reference);
    const id = await this.#change(name, { requestId, content: `delete ${reference}` }, async (index) => {
      const entry = findEntry(index, parsed);
      if (entry === undefined) throw new ModelNotFoundError(reference);
      const aliases = aliasesOf(index, entry.version);
      if (aliases.length > 0) throw new ModelInUseError(reference, aliases);
      return { index: withoutVersion(index, entry.version), modelId: entry.id };
    });
    await this.#store.delete(weightsKey(id));
  }

  /** Changes a name's index once per request id; answers with the model of the change, or of the first such request. */
  async #change(
    name: string,
    { requestId, content }: { readonly requestId: string; readonly content: string },
    change: (index: NameIndex) => Promise<{ readonly index: NameIndex; readonly modelId: string }>,
  ): Promise<string> {
    for (;;) {
      const { index, etag } = await this.#index(name);
      const answered = requestId === '' ? undefined : index.requests.find((known) => known.requestId === requestId);
      if (answered !== undefined) {
        if (answered.content !== content) throw new ModelRequestReusedError(requestId);
        return answered.modelId;
      }
      const { index: changed, modelId } = await change(index);
      const next = requestId === '' ? changed : withRequest(changed, { requestId, content, modelId });
      const bytes = new TextEncoder().encode(JSON.stringify(next));
      try {
        if (etag === undefined) await this.#store.putIfAbsent(nameKey(name), bytes);
        else await this.#store.putIfMatch(nameKey(name), bytes, etag);
        return modelId;
      } catch (error) {
        // Someone else was first: look again.
        if (!(error instanceof ConditionFailedError)) throw error;
      }
    }
  }

  async #index(name: string): Promise<{ readonly index: NameIndex; readonly etag?: string }> {
    const stored = await findObject(this.#store, nameKey(name));
    if (stored === undefined) return { index: emptyNameIndex };
    return { index: parseJson(nameKey(name), stored.bytes) as NameIndex, etag: stored.etag };
  }

  async #model(entry: VersionEntry, index: NameIndex): Promise<Model> {
    const card = await this.#card(entry.id);
    if (card === undefined) throw new CorruptRegistryError(cardKey(entry.id));
    return {
      ...card,
      version: entry.version,
      aliases: aliasesOf(index, entry.version),
      createTime: new Date(entry.createTime),
    };
  }

  async #card(id: string): Promise<Model | undefined> {
    const known = this.#cards.get(id);
    if (known !== undefined) return known;
    const stored = await findObject(this.#store, cardKey(id));
    if (stored === undefined) return undefined;
    const card = Model.fromJSON(parseJson(cardKey(id), stored.bytes));
    this.#cards.set(id, card);
    const [oldest] = this.#cards.keys();
    if (this.#cards.size > cachedCards && oldest !== undefined) this.#cards.delete(oldest);
    return card;
  }
}

/** Where the weights of a model lie in the store. */
export function weightsKey(id: string): string {
  return `models/${id}/weights.safetensors`;
}

function cardKey(id: string): string {
  return `models/${id}/card.json`;
}

function nameKey(name: string): string {
  return `${namesFolder}${name}.json`;
}

function findEntry(index: NameIndex, reference: ParsedReference): VersionEntry | undefined {
  switch (reference.kind) {
    case 'newest':
      return index.versions.at(-1);
    case 'version':
      return index.versions.find(({ version }) => version === reference.version);
    case 'alias':
      return index.versions.find(({ version }) => version === index.aliases[reference.alias]);
    case 'id':
      return index.versions.find(({ id }) => id === reference.id);
  }
}

/** Sorts by time and then by id. */
function placeOf({ createTime, id }: VersionEntry): string {
  return `${createTime} ${id}`.replace(' ', '_');
}

function parseJson(key: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new CorruptRegistryError(key, { cause: error });
  }
}
