import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type ModelSpec, PreActResNet } from '@percept/models';
import { type HostTensor, readSafetensors } from '@percept/tensor';

/** A folder of golden vectors, with images turned to NHWC. */
export interface GoldenVectors {
  readonly spec: ModelSpec;
  readonly batch: number;
  readonly epsilon: number;
  readonly step: number;
  readonly weightDecay: number;
  readonly weights: Readonly<Record<string, HostTensor>>;
  readonly scalars: Readonly<Record<string, unknown>>;
  /** Names of all tensors. */
  readonly names: readonly string[];
  /** A tensor's float values in its own layout. */
  floats(name: string): Float32Array;
  integers(name: string): Int32Array;
  shape(name: string): readonly number[];
  /** The values of [..., channels, height, width] images as [..., height, width, channels]. */
  images(name: string): Float32Array;
  scalar(name: string): number;
}

/** Thrown when a folder does not hold what golden vectors must. */
export class GoldenVectorsError extends Error {
  constructor(message: string) {
    super(`not a folder of golden vectors: ${message}`);
    this.name = 'GoldenVectorsError';
  }
}

interface Config {
  readonly width: number;
  readonly batch: number;
  readonly classes: number;
  readonly eps: number;
  readonly alpha: number;
  readonly mean: number[];
  readonly std: number[];
  readonly weight_decay: number;
}

/** Reads a folder with model.safetensors, expected.safetensors and expected.json. Throws GoldenVectorsError, SafetensorsError. */
export function readGoldenVectors(folder: string): GoldenVectors {
  const scalars = JSON.parse(readFileSync(path.join(folder, 'expected.json'), 'utf8')) as Record<string, unknown>;
  const weights = readSafetensors(readFileSync(path.join(folder, 'model.safetensors'))).tensors;
  const { tensors } = readSafetensors(readFileSync(path.join(folder, 'expected.safetensors')));
  const config = scalars['config'] as Config | undefined;
  if (config === undefined) throw new GoldenVectorsError('expected.json has no config');
  const tensor = (name: string): HostTensor => {
    const found = tensors[name];
    if (found === undefined) throw new GoldenVectorsError(`expected.safetensors has no ${name}`);
    return found;
  };
  const [batch, channels, height, widthPixels] = tensor('x').shape as readonly [number, number, number, number];
  const floats = (name: string): Float32Array => {
    const { dtype, data } = tensor(name);
    if (dtype !== 'F32') throw new GoldenVectorsError(`${name} is no F32 tensor`);
    return data as Float32Array;
  };
  return {
    spec: {
      architecture: 'preact-resnet',
      width: config.width,
      blocks: blocksOf(Object.keys(weights)),
      classes: config.classes,
      height,
      widthPixels,
      channels,
      mean: config.mean,
      std: config.std,
    },
    batch,
    epsilon: config.eps,
    step: config.alpha,
    weightDecay: config.weight_decay,
    weights,
    scalars,
    names: Object.keys(tensors),
    floats,
    integers: (name) => {
      const { dtype, data } = tensor(name);
      if (dtype !== 'I32') throw new GoldenVectorsError(`${name} is no I32 tensor`);
      return data as Int32Array;
    },
    shape: (name) => tensor(name).shape,
    images: (name) => toChannelsLast(floats(name), channels, height * widthPixels),
    scalar: (name) => {
      const value = scalars[name];
      if (typeof value !== 'number') throw new GoldenVectorsError(`expected.json has no number ${name}`);
      return value;
    },
  };
}

/** The golden model, fresh; the caller disposes it. */
export function goldenModel({ spec, weights }: GoldenVectors): PreActResNet {
  return PreActResNet.fromTensors(spec, weights);
}

/** Turns rows of [channels, pixels] into rows of [pixels, channels]. */
export function toChannelsLast(values: Float32Array, channels: number, pixels: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let base = 0; base < values.length; base += channels * pixels) {
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < pixels; p++) turned[base + p * channels + c] = values[base + c * pixels + p] as number;
    }
  }
  return turned;
}

function blocksOf(names: readonly string[]): ModelSpec['blocks'] {
  const count = (stage: number): number =>
    new Set(names.flatMap((name) => name.match(`^layer${stage}\\.(\\d+)\\.`)?.[1] ?? [])).size;
  return [count(1), count(2), count(3), count(4)];
}
