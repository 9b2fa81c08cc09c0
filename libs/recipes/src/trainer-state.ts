import type { ModelSpec } from '@percept/models';
import { type HostTensor, readSafetensors, SafetensorsError, writeSafetensors } from '@percept/tensor';

/** Where a training stands, besides weights and velocities. */
export interface TrainerPosition {
  /** Batches done in all. */
  readonly step: number;
  readonly finished: boolean;
  /** Robust accuracy of the last early-stopping check; absent before the first. */
  readonly lastRobustAccuracy?: number;
  readonly stoppedEarly: boolean;
}

/** Everything a training resumes from. */
export interface TrainerState {
  readonly spec: ModelSpec;
  readonly position: TrainerPosition;
  /** Weights in PyTorch's names and layouts. */
  readonly weights: Readonly<Record<string, HostTensor>>;
  readonly velocities: Readonly<Record<string, HostTensor>>;
  /** Weights at the end of the last epoch, where early stopping may return to them. */
  readonly previousWeights?: Readonly<Record<string, HostTensor>>;
}

const groups = { weights: 'weights/', velocities: 'velocities/', previousWeights: 'previous/' } as const;

/** Writes a state as safetensors; equal states give equal bytes. */
export function encodeTrainerState(state: TrainerState): Uint8Array {
  const tensors: Record<string, HostTensor> = {};
  const add = (prefix: string, group: Readonly<Record<string, HostTensor>> = {}): void => {
    for (const [name, tensor] of Object.entries(group)) tensors[`${prefix}${name}`] = tensor;
  };
  add(groups.weights, state.weights);
  add(groups.velocities, state.velocities);
  add(groups.previousWeights, state.previousWeights);
  return writeSafetensors(tensors, {
    format: 'percept.training-checkpoint.v1',
    spec: JSON.stringify(state.spec),
    position: JSON.stringify(state.position),
  });
}

/** Reads what `encodeTrainerState` wrote. Throws SafetensorsError. */
export function decodeTrainerState(bytes: Uint8Array): TrainerState {
  const { tensors, metadata } = readSafetensors(bytes);
  if (metadata['format'] !== 'percept.training-checkpoint.v1')
    throw new SafetensorsError('it is no training checkpoint');
  const select = (prefix: string): Record<string, HostTensor> =>
    Object.fromEntries(
      Object.entries(tensors).flatMap(([name, tensor]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [],
      ),
    );
  const previous = select(groups.previousWeights);
  return {
    spec: JSON.parse(metadata['spec'] ?? '') as ModelSpec,
    position: JSON.parse(metadata['position'] ?? '') as TrainerPosition,
    weights: select(groups.weights),
    velocities: select(groups.velocities),
    ...(Object.keys(previous).length > 0 ? { previousWeights: previous } : {}),
  };
}
