/** Proof that a sample breaks within a budget: the image itself and how it was found. */
export interface Witness {
  /** Position in the ledger's grid of the smallest budget known to break the sample. 0 is a clean error. */
  readonly budget: number;
  /** Name of the attack that found it; `clean` for an error without any perturbation. */
  readonly attack: string;
  /** Restart and step at which the attack found it; -1 and 0 for a clean error. */
  readonly restart: number;
  readonly step: number;
  /** The flattened float32 image. */
  readonly image: Float32Array;
}

/** What is known about one sample. */
export interface LedgerEntry {
  readonly id: number;
  readonly label: number;
  readonly cleanPrediction: number;
  /** Absent while no budget of the grid is known to break the sample. */
  readonly witness?: Witness;
}

/** Gradient and forward passes spent, in images. */
export interface ProfileCost {
  readonly gradientImageSteps: number;
  readonly forwardImagePasses: number;
  /** Steps whose gradient was zero everywhere: a sign of gradient masking. */
  readonly zeroGradientSteps: number;
  /** Successes that a fresh forward pass did not confirm with the required margin; they do not count. */
  readonly rejectedWitnesses: number;
}

/** One entry per sample, and what the entries are about. A witness holds for every larger budget, so that curves drawn from it cannot rise. */
export interface WitnessLedger {
  /** The norm's p. */
  readonly norm: number;
  /** Budgets in pixel units, strictly ascending from 0. */
  readonly grid: readonly number[];
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  readonly entries: readonly LedgerEntry[];
  readonly cost: ProfileCost;
}

/** Thrown when ledgers that are about different things are to be merged. */
export class LedgerMismatchError extends Error {
  constructor(what: string) {
    super(`cannot merge these ledgers: ${what}`);
    this.name = 'LedgerMismatchError';
  }
}

/** The ledger of all shards' samples, ordered by sample id; costs add up. Independent of the order of the shards. Throws LedgerMismatchError. */
export function mergeProfiles(shards: readonly WitnessLedger[]): WitnessLedger {
  const first = shards[0];
  if (first === undefined) throw new LedgerMismatchError('there are none');
  const subject = subjectOf(first);
  for (const shard of shards) {
    if (subjectOf(shard) !== subject) throw new LedgerMismatchError('norm, grid, image shape or classes differ');
  }
  const entries = shards.flatMap((shard) => shard.entries).sort((a, b) => a.id - b.id);
  for (let i = 1; i < entries.length; i++) {
    if (entries[i]?.id === entries[i - 1]?.id) throw new LedgerMismatchError(`sample ${entries[i]?.id} occurs twice`);
  }
  const total = (part: (cost: ProfileCost) => number): number =>
    shards.reduce((sum, shard) => sum + part(shard.cost), 0);
  return {
    norm: first.norm,
    grid: first.grid,
    inputShape: first.inputShape,
    classes: first.classes,
    entries,
    cost: {
      gradientImageSteps: total((cost) => cost.gradientImageSteps),
      forwardImagePasses: total((cost) => cost.forwardImagePasses),
      zeroGradientSteps: total((cost) => cost.zeroGradientSteps),
      rejectedWitnesses: total((cost) => cost.rejectedWitnesses),
    },
  };
}

function subjectOf(ledger: WitnessLedger): string {
  return JSON.stringify([String(ledger.norm), ledger.grid, ledger.inputShape, ledger.classes]);
}
