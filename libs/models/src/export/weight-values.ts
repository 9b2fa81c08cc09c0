import type { HostTensor } from '@percept/tensor';
import type { ParameterEntry } from '../parameter-layout.js';
import { WeightsMismatchError } from '../preact-resnet.js';
import { torchShape } from '../torch-layout.js';

/** The values of a named weight in PyTorch's layout. @throws WeightsMismatchError when it is missing or of another shape. */
export function weightValues(
  entry: ParameterEntry,
  tensors: Readonly<Record<string, HostTensor>>,
): { readonly shape: readonly number[]; readonly values: Float32Array } {
  const tensor = tensors[entry.name];
  const shape = torchShape(entry);
  if (tensor?.dtype !== 'F32' || tensor.shape.join() !== shape.join()) {
    throw new WeightsMismatchError(`${entry.name} must be F32 of shape [${shape.join(', ')}]`);
  }
  return { shape, values: tensor.data };
}
