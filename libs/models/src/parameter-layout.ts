import type { ModelSpec } from './model-spec.js';

/** What a named tensor of a model is, in PyTorch's names. */
export interface ParameterEntry {
  readonly name: string;
  /** Shape in TF.js's layout: HWIO convolutions, [in, out] linear weights. */
  readonly shape: readonly number[];
  readonly kind: 'convolution' | 'linear' | 'bias' | 'scale' | 'shift' | 'running-mean' | 'running-variance';
  /** Inputs per output, for initialisation. */
  readonly fanIn: number;
}

/** One residual block: its name, input and output channels, stride, and whether its shortcut is a convolution. */
export interface BlockLayout {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: number;
  readonly projection: boolean;
}

const stageStrides = [1, 2, 2, 2] as const;

/** The blocks of all stages in order. */
export function blockLayouts(spec: ModelSpec): BlockLayout[] {
  const layouts: BlockLayout[] = [];
  let inputs = spec.width;
  for (const [stage, count] of spec.blocks.entries()) {
    const outputs = spec.width * 2 ** stage;
    for (let block = 0; block < count; block++) {
      const stride = block === 0 ? (stageStrides[stage] as number) : 1;
      const projection = stride !== 1 || inputs !== outputs;
      layouts.push({ name: `layer${stage + 1}.${block}`, inputs, outputs, stride, projection });
      inputs = outputs;
    }
  }
  return layouts;
}

/** Every named tensor of a model in PyTorch's order: trainable parameters and running statistics. */
export function parameterLayout(spec: ModelSpec): ParameterEntry[] {
  const entries: ParameterEntry[] = [];
  const convolution = (name: string, kernel: number, inputs: number, outputs: number): void => {
    entries.push({
      name: `${name}.weight`,
      shape: [kernel, kernel, inputs, outputs],
      kind: 'convolution',
      fanIn: kernel * kernel * inputs,
    });
  };
  const normalisation = (name: string, channels: number): void => {
    const entry = (suffix: string, kind: ParameterEntry['kind']): void => {
      entries.push({ name: `${name}.${suffix}`, shape: [channels], kind, fanIn: 0 });
    };
    entry('weight', 'scale');
    entry('bias', 'shift');
    entry('running_mean', 'running-mean');
    entry('running_var', 'running-variance');
  };
  convolution('conv1', 3, spec.channels, spec.width);
  for (const { name, inputs, outputs, projection } of blockLayouts(spec)) {
    normalisation(`${name}.bn1`, inputs);
    convolution(`${name}.conv1`, 3, inputs, outputs);
    normalisation(`${name}.bn2`, outputs);
    convolution(`${name}.conv2`, 3, outputs, outputs);
    if (projection) convolution(`${name}.shortcut`, 1, inputs, outputs);
  }
  const features = spec.width * 8;
  normalisation('bn', features);
  entries.push({ name: 'linear.weight', shape: [features, spec.classes], kind: 'linear', fanIn: features });
  entries.push({ name: 'linear.bias', shape: [spec.classes], kind: 'bias', fanIn: features });
  return entries;
}

/** Whether a tensor is a running statistic rather than a trainable parameter. */
export function isStatistic(entry: ParameterEntry): boolean {
  return entry.kind === 'running-mean' || entry.kind === 'running-variance';
}
