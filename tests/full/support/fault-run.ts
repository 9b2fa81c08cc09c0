import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Bus, launchNatsServer, type NatsServer, natsBus } from '@percept/bus';
import { JobResult, PerceptRpcError, sha256Hex } from '@percept/contracts';
import { isTerminal, type JobRecord, JobRepository } from '@percept/jobs';
import { launchVersityGateway, type Store, s3Store, type VersityGateway } from '@percept/store';
import { type Distributed, startDistributed, type WorkerProcess } from '../../../tools/cli/src/hosting/distributed.js';
import { type PerceptClient, perceptClient } from '../../../tools/cli/src/percept-client.js';
import { type SmallDisk, smallDisk } from './small-disk.js';
import { smallAttack, smallReport, smallTraining, train } from './small-jobs.js';
import { TcpProxy } from './tcp-proxy.js';

export interface FaultRunOptions {
  readonly faults: number;
  readonly jobs: number;
  readonly seed: number;
}

/** How one job of a fault run ended. */
export interface FaultedJob {
  readonly id: string;
  readonly kind: JobKind;
  readonly state: JobRecord['state'];
  readonly code: string;
  readonly message: string;
  /** Digest of what it made; equal to `expected` where the bytes are right. */
  readonly made: string | undefined;
  readonly expected: string;
  /** Artefacts whose stored bytes do not have their digest. */
  readonly corruptArtifacts: readonly string[];
  /** Code of the answer to whoever asks for corrupt artefacts. */
  readonly refusal: string | undefined;
}

export interface FaultRun {
  readonly faults: Readonly<Record<string, number>>;
  readonly jobs: readonly FaultedJob[];
}

type JobKind = 'training' | 'attack' | 'report';
const kinds: readonly JobKind[] = ['training', 'attack', 'report'];
const unfinishedMs = 300_000;

/** Room for everything that the jobs of a run make; a file system in memory. */
const storeMegabytes = 1_536;

/** Runs jobs while it breaks things by a seeded plan, and tells how each job ended. */
export async function faultRun({ faults, jobs, seed }: FaultRunOptions): Promise<FaultRun> {
  const random = seededRandom(seed);
  const ground = await Ground.open();
  try {
    const expected = await ground.reference();
    const submitted: { id: string; kind: JobKind }[] = [];
    const counts: Record<string, number> = {};
    // Dealt like cards, so that every kind of fault comes about equally often.
    const deck: [string, Cause][] = [];
    for (let fault = 0; fault < faults; fault++) {
      while (submitted.length < jobs && submitted.length <= (fault * jobs) / faults) {
        const kind = kinds[submitted.length % kinds.length] as JobKind;
        submitted.push({ kind, id: await ground.submit(kind) });
      }
      if (deck.length === 0) deck.push(...shuffled(Object.entries(ground.faults), random));
      const [name, cause] = deck.pop() as [string, Cause];
      await cause(submitted, random);
      counts[name] = (counts[name] ?? 0) + 1;
      await pause(200 + random() * 800);
    }
    const ended: FaultedJob[] = [];
    for (const { id, kind } of submitted) {
      const record = await ground.ended(id);
      const corruptArtifacts = record.state === 'SUCCEEDED' ? await ground.corruptArtifacts(record) : [];
      const made =
        record.state === 'SUCCEEDED' && corruptArtifacts.length === 0
          ? await ground.digest(kind, id, record.result as JobResult)
          : undefined;
      ended.push({
        id,
        kind,
        state: record.state,
        code: record.error?.code ?? '',
        message: record.error?.message ?? '',
        made,
        expected: expected[kind],
        corruptArtifacts,
        refusal: corruptArtifacts.length === 0 ? undefined : await ground.refusal(id),
      });
    }
    return { faults: counts, jobs: ended };
  } finally {
    await ground.close();
  }
}

type Cause = (jobs: readonly { id: string; kind: JobKind }[], random: () => number) => Promise<void>;

/** A deployment whose every part can be broken. */
class Ground {
  readonly faults: Readonly<Record<string, Cause>>;
  readonly #folder: string;
  readonly #distributed: Distributed;
  readonly #proxies: readonly TcpProxy[];
  readonly #client: PerceptClient;
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #workers: WorkerProcess[];
  readonly #disk: SmallDisk | undefined;
  #nats: NatsServer;
  #s3: VersityGateway;

  private constructor(
    folder: string,
    distributed: Distributed,
    proxies: readonly TcpProxy[],
    store: Store,
    bus: Bus,
    disk: SmallDisk | undefined,
  ) {
    this.#folder = folder;
    this.#distributed = distributed;
    this.#proxies = proxies;
    this.#client = perceptClient(distributed.endpoints);
    this.#store = store;
    this.#bus = bus;
    this.#disk = disk;
    this.#nats = distributed.nats;
    this.#s3 = distributed.s3;
    this.#workers = [
      distributed.startWorker('attack'),
      distributed.startWorker('evaluate'),
      distributed.startWorker('train'),
    ];
    this.faults = {
      'worker killed': async (_, random) => {
        const at = Math.floor(random() * this.#workers.length);
        const group = (['attack', 'evaluate', 'train'] as const)[at] as 'attack' | 'evaluate' | 'train';
        kill(this.#workers[at]?.pid);
        this.#workers[at] = this.#distributed.startWorker(group);
      },
      'service killed': async (_, random) => kill(pick([...this.#distributed.servicePids.values()], random)),
      'broker restarted': async (_, random) => {
        await this.#nats.close();
        await pause(random() * 1_500);
        const port = Number(new URL(this.#nats.url).port);
        this.#nats = await launchNatsServer({ directory: path.join(this.#folder, 'nats'), port });
      },
      'store away': async (_, random) => {
        await this.#s3.close();
        await pause(random() * 1_500);
        const { accessKey, secretKey, endpoint } = this.#s3;
        const directory = path.join(this.#folder, 's3');
        this.#s3 = await launchVersityGateway({
          directory,
          accessKey,
          secretKey,
          port: Number(new URL(endpoint).port),
        });
      },
      'connections cut': async () => {
        for (const proxy of this.#proxies) proxy.cut();
      },
      'connections slow': async (_, random) => {
        for (const proxy of this.#proxies) proxy.delayMs = 20 + random() * 100;
        await pause(1_000);
        for (const proxy of this.#proxies) proxy.delayMs = 0;
      },
      'deliveries doubled and out of order': async (jobs) => {
        for (const { id } of [...jobs].reverse()) {
          const kind = id.slice(0, id.lastIndexOf('-'));
          await this.#bus.publishWork(kind, id, Buffer.from('{}'), { dedupeId: randomUUID() });
        }
      },
      'checkpoint corrupted': async (jobs, random) =>
        await this.#corrupt(pick(jobs, random).id, '/checkpoint', 'jobs/'),
      'attack result corrupted': async (jobs, random) =>
        await this.#corrupt(
          pick(
            jobs.filter(({ kind }) => kind === 'attack'),
            random,
          )?.id,
          '.bin',
          'attacks/',
        ),
      ...(disk === undefined
        ? {}
        : {
            'disk full': async (_, random) => {
              disk.fill();
              await pause(500 + random() * 1_500);
              disk.empty();
            },
          }),
      'shard outcome corrupted': async (jobs, random) =>
        await this.#corrupt(pick(jobs, random).id, '/outcome', 'job-shards/'),
    };
  }

  static async open(): Promise<Ground> {
    const folder = await mkdtemp(path.join(tmpdir(), 'percept-faults-'));
    const disk = await smallDisk(storeMegabytes);
    if (disk !== undefined) await symlink(disk.folder, path.join(folder, 's3'));
    const proxies: TcpProxy[] = [];
    const distributed = await startDistributed({
      dataFolder: folder,
      host: '127.0.0.1',
      workers: 1,
      threads: 1,
      attackWorkers: 0,
      leaseSeconds: 2,
      restart: true,
      dashboard: undefined,
      logLevel: 'fatal',
      through: async (address) => {
        const url = new URL(address);
        const proxy = await TcpProxy.to(Number(url.port));
        proxies.push(proxy);
        return `${url.protocol}//127.0.0.1:${proxy.port}`;
      },
    });
    const { endpoint, accessKey, secretKey } = distributed.s3;
    const store = await s3Store({ endpoint, accessKey, secretKey, bucket: 'percept' });
    const bus = await natsBus({ servers: [distributed.nats.url], onError: () => undefined });
    return new Ground(folder, distributed, proxies, store, bus, disk);
  }

  /** Trains the model under attack, and makes with it, undisturbed, what the jobs have to make. */
  async reference(): Promise<Record<JobKind, string>> {
    await train(this.#client, smallTraining());
    const made: Partial<Record<JobKind, string>> = {};
    for (const kind of kinds) {
      const id = await this.submit(kind);
      const record = await this.ended(id);
      if (record.state !== 'SUCCEEDED')
        throw new Error(`the undisturbed ${kind} ended ${record.state}: ${record.error?.message}`);
      made[kind] = await this.digest(kind, id, record.result as JobResult);
    }
    return made as Record<JobKind, string>;
  }

  async submit(kind: JobKind): Promise<string> {
    // Under one request id, so that a call that is repeated submits once.
    const requestId = randomUUID();
    return await persistently(async () => {
      switch (kind) {
        case 'training': {
          const spec = smallTraining({ registerAs: 'again' });
          return (await this.#client.training.submit({ requestId, spec })).job?.id ?? '';
        }
        case 'attack':
          return (await this.#client.attack.submit({ requestId, spec: smallAttack('small') })).job?.id ?? '';
        case 'report': {
          const evaluation = { $case: 'report', value: smallReport('small') } as const;
          return (await this.#client.evaluation.submit({ requestId, evaluation })).job?.id ?? '';
        }
      }
    });
  }

  /** The job's record once it has ended. @throws Error when it does not. */
  async ended(id: string): Promise<JobRecord> {
    const repository = new JobRepository(this.#store);
    for (const deadline = Date.now() + unfinishedMs; Date.now() < deadline; await pause(200)) {
      const record = await persistently(() => repository.get(id));
      if (isTerminal(record.state)) return record;
    }
    const { state, attempt, setbacks, worker } = await repository.get(id);
    throw new Error(`job ${id} never ended: ${state}, attempt ${attempt}, ${setbacks} setbacks, worker ${worker}`);
  }

  /** Names what a job made, whoever made it. */
  async digest(kind: JobKind, id: string, result: JobResult): Promise<string> {
    return await persistently(async () => {
      switch (kind) {
        case 'training': {
          const modelId = result.result?.$case === 'model' ? result.result.value.modelId : '';
          return (await this.#client.models.get({ model: modelId })).model?.digest ?? '';
        }
        case 'attack': {
          const images: Buffer[] = [];
          const asked = { jobId: id, first: 0, count: 0, omitImages: false };
          for await (const { first, result: shard } of this.#client.attack.getResult(asked)) {
            images.push(Buffer.from(`${first}:`), Buffer.from(shard?.images?.data ?? []));
          }
          return sha256Hex(Buffer.concat(images));
        }
        case 'report':
          return (await this.#client.evaluation.getReport({ reportId: id })).sha256;
      }
    });
  }

  async corruptArtifacts({ result }: JobRecord): Promise<string[]> {
    const corrupt: string[] = [];
    for (const { uri, sha256, name } of result?.artifacts ?? []) {
      const key = uri.replace(/^[a-z]+:\/*/, '');
      const { bytes } = await persistently(() => this.#store.get(key));
      if (sha256Hex(bytes) !== sha256) corrupt.push(name);
    }
    return corrupt;
  }

  /** How a job's result is refused; undefined where it is not. */
  async refusal(job: string): Promise<string | undefined> {
    try {
      await this.digest('attack', job, JobResult.create());
      return undefined;
    } catch (error) {
      return PerceptRpcError.from(error).code;
    }
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#bus.close();
    await this.#distributed.close();
    await this.#nats.close();
    await this.#s3.close();
    for (const proxy of this.#proxies) await proxy.close();
    await this.#disk?.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #corrupt(job: string | undefined, ending: string, folder: string): Promise<void> {
    if (job === undefined) return;
    await persistently(async () => {
      for await (const { key } of this.#store.list(`${folder}${job}/`)) {
        if (!key.endsWith(ending)) continue;
        const { bytes } = await this.#store.get(key);
        const changed = bytes.slice(0, Math.ceil(bytes.byteLength / 2));
        await this.#store.put(key, changed);
        return;
      }
    });
  }
}

/** Repeats what fails because a part is away. */
async function persistently<Result>(act: () => Promise<Result>): Promise<Result> {
  for (const deadline = Date.now() + 120_000; ; await pause(250)) {
    try {
      return await act();
    } catch (error) {
      const isAway =
        (error instanceof PerceptRpcError && ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL'].includes(error.code)) ||
        (error instanceof Error && ['StoreUnavailableError', 'BusUnavailableError'].includes(error.name));
      if (!isAway || Date.now() > deadline) throw error;
    }
  }
}

function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // Killed by an earlier fault, and not started again yet.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function pick<Item>(items: readonly Item[], random: () => number): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
