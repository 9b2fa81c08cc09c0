import {
  isStatistic,
  type ModelSpec,
  type ParameterEntry,
  parameterLayout,
  torchShape,
  WeightsMismatchError,
} from '@percept/models';
import { type HostTensor, writeSafetensors } from '@percept/tensor';

/** The parts of a specification that weights tell by themselves. */
export type NetworkSize = Pick<ModelSpec, 'width' | 'blocks' | 'classes' | 'channels'>;

/**
 * Reads width, blocks, classes and channels from a network's named tensors.
 *
 * @throws WeightsMismatchError naming the tensor that does not tell.
 */
export function networkSize(tensors: Readonly<Record<string, HostTensor>>): NetworkSize {
  const names = Object.keys(tensors).map(canonicalName);
  const shapes = new Map(Object.entries(tensors).map(([name, { shape }]) => [canonicalName(name), shape]));
  const side = (name: string, dimensions: number, axis: number): number => {
    const shape = shapes.get(name);
    if (shape === undefined) throw new WeightsMismatchError(`${name} is missing`);
    if (shape.length !== dimensions) {
      throw new WeightsMismatchError(`${name} must have ${dimensions} dimensions, got the shape [${shape.join(', ')}]`);
    }
    return shape[axis] as number;
  };
  const blocks = [1, 2, 3, 4].map((stage) => {
    const numbers = names.flatMap((name) => {
      const block = new RegExp(`^layer${stage}\\.(\\d{1,4})\\.`).exec(name)?.[1];
      return block === undefined ? [] : [Number(block)];
    });
    if (numbers.length === 0) throw new WeightsMismatchError(`layer${stage}.0 is missing`);
    return Math.max(...numbers) + 1;
  });
  return {
    width: side('conv1.weight', 4, 0),
    channels: side('conv1.weight', 4, 1),
    classes: side('linear.weight', 2, 0),
    blocks: blocks as unknown as ModelSpec['blocks'],
  };
}

/** Weights in the form whose SHA-256 is the model's digest. */
export interface CanonicalWeights {
  readonly bytes: Uint8Array;
  /** Trainable values. */
  readonly parameterCount: number;
}

/**
 * Writes named tensors as the one safetensors file that these weights have: PyTorch's names, nothing left over, no metadata.
 *
 * @throws WeightsMismatchError naming what is missing, left over, of the wrong shape or not finite.
 */
export function canonicalWeights(spec: ModelSpec, tensors: Readonly<Record<string, HostTensor>>): CanonicalWeights {
  const named = new Map(Object.entries(tensors).map(([name, tensor]) => [canonicalName(name), tensor]));
  const kept: Record<string, HostTensor> = {};
  let parameterCount = 0;
  for (const entry of parameterLayout(spec)) {
    const tensor = checkTensor(entry, named.get(entry.name));
    kept[entry.name] = tensor;
    named.delete(entry.name);
    if (!isStatistic(entry)) parameterCount += tensor.data.length;
  }
  const left = [...named.keys()].filter((name) => !name.endsWith('num_batches_tracked'));
  if (left.length > 0) {
    const others = left.length > 1 ? ` (nor do ${left.length - 1} others)` : '';
    throw new WeightsMismatchError(`${left[0]} belongs to no layer${others}`);
  }
  return { bytes: writeSafetensors(kept), parameterCount };
}

function checkTensor(entry: ParameterEntry, tensor: HostTensor | undefined): HostTensor {
  if (tensor === undefined) throw new WeightsMismatchError(`${entry.name} is missing`);
  const expected = torchShape(entry);
  if (tensor.dtype !== 'F32' || tensor.shape.join() !== expected.join()) {
    throw new WeightsMismatchError(
      `${entry.name} must be F32 of shape [${expected.join(', ')}], got ${tensor.dtype} of shape [${tensor.shape.join(', ')}]`,
    );
  }
  const broken = tensor.data.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) throw new WeightsMismatchError(`${entry.name} holds ${tensor.data[broken]} at value ${broken}`);
  return tensor;
}

function canonicalName(name: string): string {
  return name.replace(/^module\./, '').replace('.shortcut.0.', '.shortcut.');
}
