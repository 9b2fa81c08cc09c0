import type { Model, ModelSpec as ModelSpecMessage } from '@percept/contracts';
import { InvalidModelSpecError, type ModelSpec, type ModelWeights, validateModelSpec } from '@percept/models';

/** The domain's form of a model specification. Throws InvalidModelSpecError with every violation. */
export function modelSpecOf(message: ModelSpecMessage | undefined): ModelSpec {
  const {
    architecture = '',
    width = 0,
    blocks = [],
    classes = 0,
    height = 0,
    widthPixels = 0,
    channels = 0,
  } = message ?? {};
  const spec = {
    architecture: architecture as ModelSpec['architecture'],
    width,
    blocks: blocks as unknown as ModelSpec['blocks'],
    classes,
    height,
    widthPixels,
    channels,
    mean: message?.mean ?? [],
    std: message?.std ?? [],
  };
  const violations = validateModelSpec(spec);
  if (violations.length > 0) throw new InvalidModelSpecError(violations);
  return spec;
}

/** A registered model and its safetensors bytes as compute workers take them. */
export function modelWeightsOf(model: Model, safetensors: Uint8Array): ModelWeights {
  return { digest: model.digest, spec: modelSpecOf(model.spec), safetensors };
}
