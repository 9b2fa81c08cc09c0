import {
  type AttackGetResultRequest,
  type AttackGetResultResponse,
  AttackResult,
  type AttackSpec,
  type AttackSubmitRequest,
  type AttackSubmitResponse,
  type AttackSummary,
  type ImageSource,
  type JobResult,
  type JobSpec,
  rpcError,
  sha256Hex,
  storeUri,
} from '@percept/contracts';
import { type JobContext, type JobQueue, type JobRepository, toJob } from '@percept/jobs';
import { Violations } from '@percept/platform';
import { ConditionFailedError, findObject, type Store } from '@percept/store';
import { answerAttack } from './attack-answer.js';
import { type AttackDependencies, type Computing, computeAttack } from './compute-attack.js';
import { type AttackAsked, prepareAttack } from './validate-attack-call.js';

/** The kind of attack jobs. */
export const attackJobKind = 'attack';

/** Images per shard: fixed, so that results do not depend on who computes them. */
const shardImages = 200;

/** Shards of one job that are on the queue or being computed at once. */
const shardsAtOnce = 32;

/** The most images of one job. */
const jobImages = 100_000;

/** Attack jobs: submission, the work itself shard by shard, and reading results. */
export class AttackJobs {
  readonly #dependencies: AttackDependencies;
  readonly #store: Store;
  readonly #repository: JobRepository;
  readonly #queue: JobQueue;

  constructor(dependencies: AttackDependencies, repository: JobRepository, queue: JobQueue) {
    this.#dependencies = dependencies;
    this.#store = dependencies.store;
    this.#repository = repository;
    this.#queue = queue;
  }

  /** Validates and queues a job; the same request id gives the same job. */
  async submit(request: AttackSubmitRequest): Promise<AttackSubmitResponse> {
    const violations = new Violations();
    violations.requestId(request.requestId);
    const { spec } = request;
    if (spec === undefined) {
      violations.add('spec', 'must be given');
    } else {
      violations.check(spec.goal !== undefined, 'spec.goal', 'must be targeted or untargeted');
      violations.check(spec.model?.reference !== undefined, 'spec.model', 'must be given');
      violations.check(
        spec.model?.reference?.$case !== 'remote',
        'spec.model.remote',
        'models behind an endpoint are for Targeted and Untargeted; a job takes registered models',
      );
      violations.check(spec.images?.source !== undefined, 'spec.images', 'must be given: inline, samples or noise');
      violations.check(
        spec.images?.source?.$case !== 'inline',
        'spec.images.inline',
        'inline images are for Targeted and Untargeted; a job takes samples or noise',
      );
      if (spec.images?.source?.$case === 'noise')
        violations.integer(spec.images.source.value.count, 'spec.images.noise.count', 1, jobImages);
    }
    violations.throwIfAny();
    const checked = spec as AttackSpec;
    await this.#prepareShard(checked, 0, 1, AbortSignal.timeout(30_000));
    const jobSpec: JobSpec = { spec: { $case: 'attack', value: checked } };
    const record = await this.#queue.submit({
      kind: attackJobKind,
      spec: jobSpec,
      requestId: request.requestId,
      priority: request.interactive ? 'interactive' : 'batch',
    });
    return { job: toJob(record, jobSpec) };
  }

  /** Streams a finished job's result, shard by shard. */
  async *result(
    request: AttackGetResultRequest,
    signal: AbortSignal,
  ): AsyncGenerator<AttackGetResultResponse, void, void> {
    const record = await this.#repository.get(request.jobId);
    if (record.kind !== attackJobKind) throw rpcError('NOT_FOUND', `job ${request.jobId} is no attack job`);
    if (record.state !== 'SUCCEEDED') {
      throw rpcError(
        'FAILED_PRECONDITION',
        `job ${request.jobId} is ${record.state}; results are there once it has SUCCEEDED`,
      );
    }
    const digests = new Set(record.result?.artifacts.map(({ sha256 }) => sha256));
    const last = request.count === 0 ? Number.POSITIVE_INFINITY : request.first + request.count;
    for await (const { key } of this.#store.list(`attacks/${request.jobId}/`)) {
      signal.throwIfAborted();
      const first = Number(/shard-(\d+)\.bin$/.exec(key)?.[1] ?? Number.NaN);
      if (!(first < last && first + shardImages > request.first)) continue;
      const { bytes } = await this.#store.get(key);
      if (!digests.has(sha256Hex(bytes)))
        throw rpcError('DATA_LOSS', `the results from image ${first} on of job ${request.jobId} are corrupt`);
      const result = AttackResult.decode(bytes);
      yield { first, result: request.omitImages ? { ...result, images: undefined, originals: undefined } : result };
    }
  }

  /** Does the work of a job, several shards at once wherever `computing` runs them, which knows the outcomes of an earlier attempt. */
  async handle(context: JobContext, computing: Computing): Promise<JobResult> {
    if (context.spec.spec?.$case !== 'attack') throw rpcError('INTERNAL', 'an attack job needs an attack spec');
    const spec = context.spec.spec.value;
    const total = await this.#countImages(spec, context.signal);
    const results: AttackResult[] = new Array(Math.ceil(total / shardImages));
    const left = [...results.keys()];
    let done = 0;
    const lane = async (): Promise<void> => {
      for (let shard = left.shift(); shard !== undefined; shard = left.shift()) {
        context.signal.throwIfAborted();
        const first = shard * shardImages;
        const key = shardKey(context.job.id, first);
        results[shard] = await this.#attackShard(spec, first, total, key, context, computing, () => done);
        done += Math.min(shardImages, total - first);
        context.progress({ done, total, unit: 'images', message: 'attacking' });
      }
    };
    await Promise.all(Array.from({ length: Math.min(shardsAtOnce, left.length) }, lane));
    const summary = joinSummaries(results);
    await context.emit({
      $case: 'log',
      value: { level: 1, message: `${summary.successes} of ${summary.images} images reached the goal` },
    });
    const artifacts = await Promise.all(
      results.map(async (result, index) => {
        const bytes = AttackResult.encode(result).finish();
        const key = shardKey(context.job.id, index * shardImages);
        return {
          name: key.split('/').at(-1) as string,
          uri: storeUri(key),
          sha256: sha256Hex(bytes),
          sizeBytes: bytes.byteLength,
          mediaType: 'application/x-protobuf',
        };
      }),
    );
    return { result: { $case: 'attack', value: { summary, execution: results[0]?.execution } }, artifacts };
  }

  async #attackShard(
    spec: AttackSpec,
    first: number,
    total: number,
    key: string,
    context: JobContext,
    computing: Computing,
    imagesDone: () => number,
  ): Promise<AttackResult> {
    const prepared = await this.#prepareShard(spec, first, Math.min(shardImages, total - first), context.signal);
    const { result, wallSeconds } = await computeAttack(prepared, computing, {
      signal: context.signal,
      priority: 'job',
      onEvent: (event) => {
        if (event.kind !== 'progress') return;
        context.progress({
          done: imagesDone(),
          total,
          unit: 'images',
          message: `step ${event.step}, ${event.succeeded} of ${event.images} reached the goal`,
        });
      },
    });
    const answer = answerAttack(prepared, result, computing, wallSeconds);
    return await this.#keep(key, answer);
  }

  /** Stores a shard's result unless it is there already, but for its times; what is there and differs is corrupt, and replaced. */
  async #keep(key: string, answer: AttackResult): Promise<AttackResult> {
    const bytes = AttackResult.encode(answer).finish();
    for (;;) {
      const stored = await findObject(this.#store, key);
      const there = stored && sameButForTimes(stored.bytes, answer);
      if (there !== undefined) return there;
      try {
        if (stored === undefined) await this.#store.putIfAbsent(key, bytes);
        else await this.#store.putIfMatch(key, bytes, stored.etag);
        return answer;
      } catch (error) {
        // Another worker, presumed dead, was faster: what it wrote is looked at in its turn.
        if (!(error instanceof ConditionFailedError)) throw error;
      }
    }
  }

  async #prepareShard(
    spec: AttackSpec,
    first: number,
    count: number,
    signal: AbortSignal,
  ): ReturnType<typeof prepareAttack> {
    return await prepareAttack(shardAsked(spec, first, count), this.#dependencies, { signal }, shardImages);
  }

  async #countImages(spec: AttackSpec, signal: AbortSignal): Promise<number> {
    const source = spec.images?.source;
    if (source?.$case === 'noise') return source.value.count;
    if (source?.$case !== 'samples') return 0;
    const count = await this.#dependencies.datasets.count(source.value, { signal });
    if (count > jobImages) throw rpcError('INVALID_ARGUMENT', `at most ${jobImages} images per job, got ${count}`);
    return count;
  }
}

/** The stored result where it says what `answer` says, its execution apart; undefined where it is another or none. */
function sameButForTimes(stored: Uint8Array, answer: AttackResult): AttackResult | undefined {
  const timeless = (result: AttackResult): Uint8Array =>
    AttackResult.encode({ ...result, execution: undefined }).finish();
  let decoded: AttackResult;
  try {
    decoded = AttackResult.decode(stored);
  } catch {
    // Cut short or overwritten: whatever the decoder says, these are not the bytes of a result.
    return undefined;
  }
  const isWhole = Buffer.compare(AttackResult.encode(decoded).finish(), stored) === 0;
  return isWhole && Buffer.compare(timeless(decoded), timeless(answer)) === 0 ? decoded : undefined;
}

function shardKey(job: string, first: number): string {
  return `attacks/${job}/shard-${String(first).padStart(8, '0')}.bin`;
}

function shardAsked(spec: AttackSpec, first: number, count: number): AttackAsked {
  const targets = spec.goal?.$case === 'targeted' ? spec.goal.value.targets : [];
  const shardTargets = targets.length > 1 ? targets.slice(first, first + count) : targets;
  return {
    model: spec.model,
    images: narrowSource(spec.images, first, count),
    firstOfNoise: first,
    goal:
      spec.goal?.$case === 'untargeted'
        ? { kind: 'untargeted', labelsFrom: spec.goal.value.labelsFrom }
        : { kind: 'targeted', targets: shardTargets },
    options: spec.options,
    omitImages: false,
    includeOriginals: false,
  };
}

function narrowSource(images: ImageSource | undefined, first: number, count: number): ImageSource | undefined {
  const source = images?.source;
  if (source?.$case === 'samples') return { source: { $case: 'samples', value: narrow(source.value, first, count) } };
  if (source?.$case === 'noise') return { source: { $case: 'noise', value: { ...source.value, count } } };
  return images;
}

function narrow<Selection extends { indices: number[]; first: number; count: number }>(
  selection: Selection,
  first: number,
  count: number,
): Selection {
  return selection.indices.length > 0
    ? { ...selection, indices: selection.indices.slice(first, first + count) }
    : { ...selection, first: selection.first + first, count };
}

function joinSummaries(results: readonly AttackResult[]): AttackSummary {
  const sum = (pick: (summary: AttackSummary) => number): number =>
    results.reduce((total, { summary }) => total + (summary === undefined ? 0 : pick(summary)), 0);
  const images = sum((summary) => summary.images);
  const successes = sum((summary) => summary.successes);
  const distances = results
    .flatMap(({ outcomes }) => outcomes.filter(({ success }) => success).map(({ distances: d }) => d?.askedNorm ?? 0))
    .sort((a, b) => a - b);
  return {
    images,
    successes,
    successRate: images === 0 ? 0 : successes / images,
    successesAt8Bits: sum((summary) => summary.successesAt8Bits),
    medianDistance: distances.length === 0 ? undefined : distances[distances.length >> 1],
    imagesWithZeroGradient: sum((summary) => summary.imagesWithZeroGradient),
    unconfirmedSuccesses: sum((summary) => summary.unconfirmedSuccesses),
  };
}
