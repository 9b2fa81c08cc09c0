import { createComputePool } from '@percept/compute';
import type { ClientSecurity } from '@percept/contracts';
import { computeDependency, ModelGateway } from '@percept/gateways';
import type { Closable, Dependency, MountedService } from '@percept/platform';
import type { EngineName } from '@percept/tensor';
import { inferenceService } from './inference-service.js';

/** What the inference service runs on. */
export interface StartInferenceOptions {
  /** HOST:PORT of the Models service. */
  readonly modelsAddress: string;
  /** How it shows the Models service who it is. Default: no TLS and no token. */
  readonly security?: ClientSecurity;
  /** The engine of the compute workers; absent: native where it can be loaded. */
  readonly engine?: EngineName;
  readonly workers: number;
  readonly threads: number;
}

/** The inference service, built and ready to be served. */
export interface InferenceParts extends Closable {
  readonly services: readonly MountedService[];
  /** What it cannot work without. */
  readonly dependencies: readonly Dependency[];
  close(): Promise<void>;
}

const version = '0.1.0';

/** Builds the Open Inference server. */
export async function startInference(options: StartInferenceOptions): Promise<InferenceParts> {
  const { modelsAddress, engine, workers, threads } = options;
  const models = new ModelGateway(modelsAddress, options.security);
  const pool = await createComputePool({
    taskModule: new URL(import.meta.resolve('@percept/inference-service/tasks')),
    workers,
    threads,
    ...(engine ? { engine } : {}),
  });
  return {
    services: [inferenceService({ models, pool, version })],
    dependencies: [computeDependency(pool)],
    close: async () => {
      await pool.close();
      models.close();
    },
  };
}
