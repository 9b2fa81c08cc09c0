import type { HostTensor, Safetensors } from '@percept/tensor';
import type { LedgerEntry, Witness, WitnessLedger } from './witness-ledger.js';

/** Thrown when stored tensors do not form a ledger. */
export class MalformedLedgerError extends Error {
  constructor(what: string) {
    super(`not a witness ledger: ${what}`);
    this.name = 'MalformedLedgerError';
  }
}

const format = 'percept.witness-ledger.v1';

/**
 * The ledger as tensors: `entries` [n, 3] (id, label, clean prediction), `witnesses` [w, 5] (entry, budget, attack, restart, step)
 * and `images` [w, height, width, channels]; norm, grid, shape, attack names and costs as JSON under the metadata key `ledger`.
 * Equal ledgers give equal values; `writeSafetensors` makes a file of them.
 */
export function ledgerToTensors(ledger: WitnessLedger): Safetensors {
  const witnessed = ledger.entries.flatMap(({ witness }, entry) => (witness === undefined ? [] : [{ entry, witness }]));
  const attacks = [...new Set(witnessed.map(({ witness }) => witness.attack))].sort();
  const length = ledger.inputShape[0] * ledger.inputShape[1] * ledger.inputShape[2];
  const images = new Float32Array(witnessed.length * length);
  const rows = new Int32Array(witnessed.length * 5);
  for (const [row, { entry, witness }] of witnessed.entries()) {
    images.set(witness.image, row * length);
    rows.set([entry, witness.budget, attacks.indexOf(witness.attack), witness.restart, witness.step], row * 5);
  }
  const entries = Int32Array.from(ledger.entries.flatMap((entry) => [entry.id, entry.label, entry.cleanPrediction]));
  return {
    tensors: {
      entries: { dtype: 'I32', shape: [ledger.entries.length, 3], data: entries },
      witnesses: { dtype: 'I32', shape: [witnessed.length, 5], data: rows },
      images: { dtype: 'F32', shape: [witnessed.length, ...ledger.inputShape], data: images },
    },
    metadata: {
      format,
      ledger: JSON.stringify({
        norm: ledger.norm === Number.POSITIVE_INFINITY ? 'inf' : ledger.norm,
        grid: ledger.grid,
        inputShape: ledger.inputShape,
        classes: ledger.classes,
        attacks,
        cost: ledger.cost,
      }),
    },
  };
}

/** Restores what `ledgerToTensors` wrote. Throws MalformedLedgerError. */
export function ledgerFromTensors({ tensors, metadata }: Safetensors): WitnessLedger {
  if (metadata['format'] !== format) throw new MalformedLedgerError(`its format is ${metadata['format']}`);
  const about = readMetadata(metadata['ledger'] ?? '');
  const length = about.inputShape[0] * about.inputShape[1] * about.inputShape[2];
  const entries = integers(tensors, 'entries', 3);
  const rows = integers(tensors, 'witnesses', 5);
  const images = tensors['images'];
  if (images?.dtype !== 'F32' || images.data.length !== (rows.length / 5) * length) {
    throw new MalformedLedgerError('images do not match witnesses');
  }
  const count = entries.length / 3;
  const witnesses = new Array<Witness | undefined>(count).fill(undefined);
  for (let row = 0; row < rows.length / 5; row++) {
    const [entry, budget, attack, restart, step] = rows.subarray(row * 5, row * 5 + 5) as unknown as [
      number,
      number,
      number,
      number,
      number,
    ];
    const name = about.attacks[attack];
    if (!(entry >= 0 && entry < count) || about.grid[budget] === undefined || name === undefined) {
      throw new MalformedLedgerError(`witness ${row} points outside the entries, the grid or the attacks`);
    }
    const image = images.data.slice(row * length, (row + 1) * length);
    witnesses[entry] = { budget, attack: name, restart, step, image };
  }
  return {
    norm: about.norm,
    grid: about.grid,
    inputShape: about.inputShape,
    classes: about.classes,
    entries: witnesses.map((witness, index): LedgerEntry => {
      const entry = {
        id: entries[index * 3] as number,
        label: entries[index * 3 + 1] as number,
        cleanPrediction: entries[index * 3 + 2] as number,
      };
      return witness === undefined ? entry : { ...entry, witness };
    }),
    cost: about.cost,
  };
}

interface LedgerMetadata extends Omit<WitnessLedger, 'entries'> {
  readonly attacks: readonly string[];
}

function readMetadata(text: string): LedgerMetadata {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new MalformedLedgerError('its metadata is no JSON');
  }
  const about = parsed as Partial<Record<keyof LedgerMetadata, unknown>>;
  const norm = about.norm === 'inf' ? Number.POSITIVE_INFINITY : about.norm;
  const cost = about.cost as Record<string, unknown> | undefined;
  const sound =
    typeof norm === 'number' &&
    isArrayOf(about.grid, 'number') &&
    isArrayOf(about.inputShape, 'number') &&
    (about.inputShape as number[]).length === 3 &&
    typeof about.classes === 'number' &&
    isArrayOf(about.attacks, 'string') &&
    typeof cost === 'object' &&
    cost !== null &&
    ['gradientImageSteps', 'forwardImagePasses', 'zeroGradientSteps', 'rejectedWitnesses'].every(
      (key) => typeof cost[key] === 'number',
    );
  if (!sound) throw new MalformedLedgerError('its metadata lacks a field');
  return { ...(parsed as LedgerMetadata), norm };
}

function isArrayOf(value: unknown, type: 'number' | 'string'): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === type);
}

function integers(tensors: Readonly<Record<string, HostTensor>>, name: string, columns: number): Int32Array {
  const tensor = tensors[name];
  if (tensor?.dtype !== 'I32' || tensor.data.length % columns !== 0) {
    throw new MalformedLedgerError(`${name} is missing or has the wrong shape`);
  }
  return tensor.data;
}
