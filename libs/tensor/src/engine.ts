import os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
// Registers TF.js core's own gradients; core alone has none, and its file of them is no module that Node can load.
import '@tensorflow/tfjs-layers';
import { registerCorrectedGradients } from './corrected-gradients.js';

/** The engines: the native addon, the real tfjs-node or tfjs-node-gpu where installed, and portable JavaScript. */
export const engineNames = ['native', 'tensorflow', 'cpu'] as const;

export type EngineName = (typeof engineNames)[number];

/** Which engine computes, and how; part of every result's provenance. */
export interface EngineInfo {
  readonly name: EngineName;
  readonly version: string;
  /** The instruction set or library it runs on, such as `avx512`, `javascript`. */
  readonly path: string;
  readonly threads: number;
  readonly cpu: string;
  /** Why another engine than the preferred one was taken; absent otherwise. */
  readonly warning?: string;
}

/** What two engines must share to give the same bits: name, version, path, threads and processor. */
export function engineFingerprint({ name, version, path, threads, cpu }: EngineInfo): string {
  return [name, version, path, `${threads} threads`, cpu].join(', ');
}

export interface EngineOptions {
  /** Absent: native where it can be loaded, cpu otherwise. */
  readonly engine?: EngineName;
  /** Threads of the engine, at least 1. Absent: one per core. Portable JavaScript always uses one. */
  readonly threads?: number;
}

/** An engine that was asked for by name cannot be loaded. */
export class EngineUnavailableError extends Error {
  constructor(engine: EngineName, cause: unknown) {
    super(`the engine ${engine} cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.name = 'EngineUnavailableError';
  }
}

/**
 * Makes an engine TF.js's backend in this thread and loads the corrected gradients; safe to repeat.
 *
 * @throws EngineUnavailableError when an engine asked for by name cannot be loaded; RangeError for a bad number of threads.
 */
export async function selectEngine(options: EngineOptions = {}): Promise<EngineInfo> {
  const threads = options.threads ?? os.availableParallelism();
  if (!Number.isInteger(threads) || threads < 1)
    throw new RangeError(`threads must be a positive integer, got ${threads}`);
  // Without it, TF.js prints advertisement for tfjs-node.
  tf.enableProdMode();
  registerCorrectedGradients();
  if (options.engine !== undefined) {
    try {
      return await loaders[options.engine](threads);
    } catch (error) {
      throw new EngineUnavailableError(options.engine, error);
    }
  }
  try {
    return await loaders.native(threads);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      ...(await loaders.cpu(1)),
      warning: `the native engine cannot be loaded (${reason}); portable JavaScript is used`,
    };
  }
}

const cpuModel = os.cpus()[0]?.model.trim() ?? 'unknown';

const loaders: Record<EngineName, (threads: number) => Promise<EngineInfo>> = {
  native: async (threads) => {
    const { registerNativeBackend } = await import('@percept/engine-native');
    const native = registerNativeBackend({ threads });
    await useBackend(native.backend);
    return { name: 'native', version: native.version, path: native.path, threads, cpu: cpuModel };
  },
  tensorflow: async (threads) => {
    const tensorflow = await importTensorflow();
    await useBackend('tensorflow');
    return { name: 'tensorflow', version: tensorflow.version, path: tensorflow.package, threads, cpu: cpuModel };
  },
  cpu: async () => {
    const { version_cpu: version } = await import('@tensorflow/tfjs-backend-cpu');
    await useBackend('cpu');
    return { name: 'cpu', version, path: 'javascript', threads: 1, cpu: cpuModel };
  },
};

async function useBackend(name: string): Promise<void> {
  if (!(await tf.setBackend(name))) throw new Error(`TF.js does not accept the backend ${name}`);
  await tf.ready();
}

async function importTensorflow(): Promise<{ package: string; version: string }> {
  const failures: string[] = [];
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    try {
      const module = (await import(name)) as { version?: Record<string, string> };
      registerCorrectedGradients();
      return { package: name, version: module.version?.['tfjs-node'] ?? 'unknown' };
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(failures.join('; '));
}
