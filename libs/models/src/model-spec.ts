/** Everything that fixes a classifier's architecture and its normalisation. */
export interface ModelSpec {
  readonly architecture: 'preact-resnet';
  /** Channels of the first stage; later stages have 2, 4 and 8 times as many. */
  readonly width: number;
  /** Residual blocks of the four stages. */
  readonly blocks: readonly [number, number, number, number];
  readonly classes: number;
  /** Input size in pixels; a multiple of 8. */
  readonly height: number;
  readonly widthPixels: number;
  readonly channels: number;
  /** Mean and standard deviation per channel in pixel units of [0, 1]; the model normalises its input itself. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Thrown when a model's specification is not sound; carries every violation at once. */
export class InvalidModelSpecError extends Error {
  readonly violations: readonly { readonly field: string; readonly description: string }[];

  constructor(violations: readonly { readonly field: string; readonly description: string }[]) {
    super(`invalid model: ${violations.map(({ field, description }) => `${field}: ${description}`).join('; ')}`);
    this.name = 'InvalidModelSpecError';
    this.violations = violations;
  }
}

/** Every violation of a specification by field path; empty when it is sound. */
export function validateModelSpec(spec: ModelSpec): { field: string; description: string }[] {
  const violations: { field: string; description: string }[] = [];
  const refuse = (field: string, description: string): void => {
    violations.push({ field, description });
  };
  const within = (field: string, value: number, lowest: number, highest: number): void => {
    if (!Number.isInteger(value) || value < lowest || value > highest) {
      refuse(field, `must be an integer from ${lowest} to ${highest}, got ${value}`);
    }
  };
  if (spec.architecture !== 'preact-resnet')
    refuse('architecture', `must be preact-resnet, got ${String(spec.architecture)}`);
  within('width', spec.width, 1, 512);
  if (spec.blocks.length !== 4) refuse('blocks', `four stages are needed, got ${spec.blocks.length}`);
  for (const [stage, count] of spec.blocks.entries()) within(`blocks[${stage}]`, count, 1, 32);
  within('classes', spec.classes, 2, 10_000);
  within('height', spec.height, 8, 1_024);
  within('width_pixels', spec.widthPixels, 8, 1_024);
  within('channels', spec.channels, 1, 4);
  for (const [field, values] of [
    ['mean', spec.mean],
    ['std', spec.std],
  ] as const) {
    if (values.length !== spec.channels)
      refuse(field, `needs one value per channel (${spec.channels}), got ${values.length}`);
    for (const [channel, value] of values.entries()) {
      if (!Number.isFinite(value) || (field === 'std' && value <= 0)) {
        refuse(`${field}[${channel}]`, `must be ${field === 'std' ? 'positive and ' : ''}finite, got ${value}`);
      }
    }
  }
  return violations;
}
