import { readSafetensors } from '@percept/tensor';
import type { ModelSpec } from './model-spec.js';
import { PreActResNet } from './preact-resnet.js';

/** A model as plain data, as it travels to a compute worker. */
export interface ModelWeights {
  /** SHA-256 of `safetensors`. */
  readonly digest: string;
  readonly spec: ModelSpec;
  readonly safetensors: Uint8Array;
}

/** Keeps the models used last in this thread's engine, so that calls on one model load it once. */
export class ModelCache {
  readonly #capacity: number;
  readonly #models = new Map<string, PreActResNet>();

  /** `capacity`: models kept at most, at least 1. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The model of these weights, loaded if need be; valid until `capacity` other models were asked for. Errors as fromTensors. */
  get(weights: ModelWeights): PreActResNet {
    const key = `${weights.digest} ${JSON.stringify(weights.spec)}`;
    const known = this.#models.get(key);
    const model = known ?? PreActResNet.fromTensors(weights.spec, readSafetensors(weights.safetensors).tensors);
    this.#models.delete(key);
    this.#models.set(key, model);
    for (const [oldest, unused] of this.#models) {
      if (this.#models.size <= this.#capacity) break;
      this.#models.delete(oldest);
      unused.dispose();
    }
    return model;
  }
}
