import { parseArgs } from 'node:util';
import { type Precision, precisions } from '@percept/tensor';

const peerNames = ['torch', 'torchattacks', 'pyautoattack', 'foolbox', 'none'] as const;

/** PyTorch itself for the steps, an attack library for the attacks. */
export type Peer = (typeof peerNames)[number];

/** What a run of the benchmarks was asked for. */
export interface BenchOptions {
  readonly names: readonly string[];
  /** Peer to compare with, or none. */
  readonly peer: Peer;
  /** Python interpreter that has the peer. */
  readonly python: string;
  readonly json?: string;
  readonly engine?: 'native' | 'tensorflow' | 'cpu';
  /** Channels of the first stage of PreActResNet18. */
  readonly width: number;
  readonly batch: number;
  /** Of our steps' passes; attacks and services are timed in float32. */
  readonly precision: Precision;
  readonly threads: number;
  /** Timed rounds; each runs ours and every setting of the peer once. */
  readonly rounds: number;
  /** Where `percept reproduce` left its models (`--data-folder` of its own); for the attacks. */
  readonly dataFolder: string;
  /** Registered names of the attacked models. */
  readonly models: readonly string[];
  /** The first so many test images are attacked. */
  readonly images: number;
  /** Budget of `autoattack` in pixel units; absent: the data set's own. */
  readonly epsilon?: number;
  /** Steps of every gradient attack of `autoattack` on both sides; absent: the peer's own. */
  readonly steps?: number;
}

/** The arguments make no sense; the message says which and why. */
export class BenchUsageError extends Error {
  override name = 'BenchUsageError';
}

export const usage: string = `usage: npm run bench -- NAME... [--peer NAME] [--json FILE] [--width N] [--batch N] [--precision float32|bfloat16] [--threads N] [--rounds N] [--engine NAME] [--python FILE]
  attacks: [--data-folder DIR] [--models NAME,...] [--images N] [--epsilon E] [--steps N]; peers: ${peerNames.join(', ')}`;

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new BenchUsageError(`--${name} must be a positive integer, got ${text}`);
  }
  return value;
}

function positiveNumber(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) {
    throw new BenchUsageError(`--${name} must be a positive number, got ${text}`);
  }
  return value;
}

/** Options of a command line, with defaults. @throws BenchUsageError */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parse(args);
  const peer = peerNames.find((name) => name === values.peer);
  if (peer === undefined)
    throw new BenchUsageError(`--peer must be one of ${peerNames.join(', ')}, got ${values.peer}`);
  const { engine, json } = values;
  if (engine !== undefined && engine !== 'native' && engine !== 'tensorflow' && engine !== 'cpu') {
    throw new BenchUsageError(`--engine must be native, tensorflow or cpu, got ${engine}`);
  }
  const precision = precisions.find((name) => name === values.precision);
  if (precision === undefined)
    throw new BenchUsageError(`--precision must be one of ${precisions.join(', ')}, got ${values.precision}`);
  return {
    names: positionals,
    peer,
    python: values.python,
    ...(json === undefined ? {} : { json }),
    ...(engine === undefined ? {} : { engine }),
    width: positive('width', values.width),
    batch: positive('batch', values.batch),
    precision,
    threads: positive('threads', values.threads),
    rounds: positive('rounds', values.rounds),
    dataFolder: values['data-folder'],
    models: values.models.split(','),
    images: positive('images', values.images),
    ...(values.epsilon === undefined ? {} : { epsilon: positiveNumber('epsilon', values.epsilon) }),
    ...(values.steps === undefined ? {} : { steps: positive('steps', values.steps) }),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        peer: { type: 'string', default: 'none' },
        python: { type: 'string', default: '/usr/bin/python3' },
        json: { type: 'string' },
        engine: { type: 'string' },
        width: { type: 'string', default: '64' },
        batch: { type: 'string', default: '64' },
        precision: { type: 'string', default: 'float32' },
        threads: { type: 'string', default: '2' },
        rounds: { type: 'string', default: '7' },
        'data-folder': { type: 'string', default: '.percept/quickstart' },
        models: { type: 'string', default: 'quickstart-pgd' },
        images: { type: 'string', default: '100' },
        epsilon: { type: 'string' },
        steps: { type: 'string' },
      },
    });
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}
