import type { ParameterEntry } from './parameter-layout.js';

/** The shape that PyTorch gives a tensor: OIHW convolutions, [out, in] linear weights. */
export function torchShape({ kind, shape }: ParameterEntry): number[] {
  if (kind === 'convolution') {
    const [height, width, inputs, outputs] = shape as readonly [number, number, number, number];
    return [outputs, inputs, height, width];
  }
  return kind === 'linear' ? [...shape].reverse() : [...shape];
}

/** Copies values from PyTorch's layout to TF.js's. */
export function fromTorchLayout(entry: ParameterEntry, values: Float32Array): Float32Array {
  return permuteLayout(entry, values, 'from-torch');
}

/** Copies values from TF.js's layout to PyTorch's. */
export function toTorchLayout(entry: ParameterEntry, values: Float32Array): Float32Array {
  return permuteLayout(entry, values, 'to-torch');
}

function permuteLayout(
  { kind, shape }: ParameterEntry,
  values: Float32Array,
  direction: 'from-torch' | 'to-torch',
): Float32Array {
  if (kind !== 'convolution' && kind !== 'linear') return values.slice();
  const [outputs, inputs] = [shape.at(-1) as number, shape.at(-2) as number];
  const positions = kind === 'convolution' ? (shape[0] as number) * (shape[1] as number) : 1;
  const result = new Float32Array(values.length);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < inputs; i++) {
      for (let o = 0; o < outputs; o++) {
        const ours = (position * inputs + i) * outputs + o;
        const torch = (o * inputs + i) * positions + position;
        if (direction === 'from-torch') result[ours] = values[torch] as number;
        else result[torch] = values[ours] as number;
      }
    }
  }
  return result;
}
