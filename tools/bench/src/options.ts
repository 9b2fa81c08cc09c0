import { parseArgs } from 'node:util';

/** What a run of the benchmarks was asked for. */
export interface BenchOptions {
  readonly names: readonly string[];
  /** Peer to interleave with, or none. */
  readonly peer: 'torch' | 'none';
  /** Python interpreter that has the peer. */
  readonly python: string;
  readonly json?: string;
  readonly engine?: 'native' | 'tensorflow' | 'cpu';
  /** Channels of the first stage of PreActResNet18. */
  readonly width: number;
  readonly batch: number;
  readonly threads: number;
  /** Timed rounds; each runs ours and every setting of the peer once. */
  readonly rounds: number;
}

/** The arguments make no sense; the message says which and why. */
export class BenchUsageError extends Error {
  override name = 'BenchUsageError';
}

export const usage =
  'usage: npm run bench -- NAME... [--peer torch] [--json FILE] [--width N] [--batch N] [--threads N] [--rounds N] [--engine NAME] [--python FILE]';

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new BenchUsageError(`--${name} must be a positive integer, got ${text}`);
  }
  return value;
}

/** Options of a command line, with defaults. @throws BenchUsageError */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parse(args);
  if (values.peer !== 'torch' && values.peer !== 'none') {
    throw new BenchUsageError(`--peer must be torch or none, got ${values.peer}`);
  }
  const { engine, json } = values;
  if (engine !== undefined && engine !== 'native' && engine !== 'tensorflow' && engine !== 'cpu') {
    throw new BenchUsageError(`--engine must be native, tensorflow or cpu, got ${engine}`);
  }
  return {
    names: positionals,
    peer: values.peer,
    python: values.python,
    ...(json === undefined ? {} : { json }),
    ...(engine === undefined ? {} : { engine }),
    width: positive('width', values.width),
    batch: positive('batch', values.batch),
    threads: positive('threads', values.threads),
    rounds: positive('rounds', values.rounds),
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
        threads: { type: 'string', default: '2' },
        rounds: { type: 'string', default: '7' },
      },
    });
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}
