import type { ComputePool } from '@percept/compute';
import type { DatasetDescription, DatasetSelection, ModelReference } from '@percept/contracts';
import { rpcError, sha256Hex } from '@percept/contracts';
import type { DatasetGateway, FetchedModel, ModelGateway } from '@percept/gateways';
import {
  type CurvePoint,
  ledgerFromTensors,
  ledgerToTensors,
  mergeProfiles,
  type ProfileSettings,
  robustAccuracyCurve,
  type Samples,
  shardSamples,
  type WitnessLedger,
  wilsonInterval,
} from '@percept/measures';
import { modelWeightsOf } from '@percept/messages';
import { type HostTensor, readSafetensors, writeSafetensors } from '@percept/tensor';
import type { ProfileTask, ProfileTaskEvent } from './tasks.js';

/** Where evaluations get what they need. */
export interface EvaluationDependencies {
  readonly models: ModelGateway;
  readonly datasets: DatasetGateway;
  /** Runs tasks of `tasks.ts`, here or in other processes. */
  readonly pool: Pick<ComputePool, 'engine' | 'run'>;
}

/** Samples per shard of a profile: fixed, so that results do not depend on who computes them. */
export const profileShard = 200;

/** The samples under test with the data set they come from. */
export interface TestedSamples {
  readonly dataset: DatasetDescription;
  readonly split: string;
  readonly splitDigest: string;
  readonly samples: Samples;
}

/** Fetches the samples of a selection. @throws PerceptRpcError INVALID_ARGUMENT when there are none. */
export async function fetchSamples(
  selection: DatasetSelection,
  { datasets }: EvaluationDependencies,
  signal: AbortSignal,
): Promise<TestedSamples> {
  const dataset = await datasets.describe(selection.dataset, { signal });
  const { images, labels, indices } = await datasets.samples(selection, { signal });
  if (labels.length === 0) throw rpcError('INVALID_ARGUMENT', 'samples: the selection holds no samples');
  const split = selection.split || 'test';
  const splitDigest = dataset.splits.find(({ name }) => name === split)?.digest ?? '';
  return { dataset, split, splitDigest, samples: { images, labels, ids: indices } };
}

/** Fetches a model and checks that it takes the data set's images and classes. @throws PerceptRpcError INVALID_ARGUMENT. */
export async function fetchModel(
  reference: ModelReference | undefined,
  { dataset }: TestedSamples,
  { models }: EvaluationDependencies,
  signal: AbortSignal,
): Promise<FetchedModel> {
  const fetched = await models.fetch(reference, { signal });
  const { spec, name } = fetched.model;
  const takes = [spec?.height, spec?.widthPixels, spec?.channels].join();
  const given = [dataset.height, dataset.width, dataset.channels].join();
  if (takes !== given || spec?.classes !== dataset.classNames.length) {
    throw rpcError(
      'INVALID_ARGUMENT',
      `model ${name} takes images of [${takes}] and knows ${spec?.classes} classes, ${dataset.name} has [${given}] and ${dataset.classNames.length}`,
    );
  }
  return fetched;
}

/** How a profile is followed. */
export interface ProfileFollower {
  readonly signal: AbortSignal;
  /** Share of this model's profile that is done, in [0, 1]. */
  onFraction(fraction: number): void;
  /** The curve over all shards as far as it is known. */
  onCurve(curve: readonly CurvePoint[]): void;
}

/**
 * Profiles one model over shards of fixed composition, as many at once as `run` lets through.
 */
export async function profileModel(
  fetched: FetchedModel,
  { samples }: TestedSamples,
  settings: ProfileSettings,
  dependencies: EvaluationDependencies,
  run: <Result>(work: () => Promise<Result>) => Promise<Result>,
  follower: ProfileFollower,
): Promise<WitnessLedger> {
  const shards = shardSamples(samples, profileShard);
  const fractions = new Float64Array(shards.length);
  const curves: (readonly CurvePoint[] | undefined)[] = new Array<undefined>(shards.length).fill(undefined);
  const follow = (): void => {
    const done = fractions.reduce((sum, fraction, i) => sum + fraction * (shards[i] as Samples).ids.length, 0);
    follower.onFraction(done / samples.ids.length);
    const known = curves.filter((curve) => curve !== undefined);
    if (known.length === curves.length) follower.onCurve(joinCurves(known, samples.ids.length));
  };
  const ledgers = await Promise.all(
    shards.map((shard, i) =>
      run(async () => {
        const task: ProfileTask = { model: modelWeightsOf(fetched.model, fetched.weights), samples: shard, settings };
        return await dependencies.pool.run<WitnessLedger>('profileShard', task, {
          signal: follower.signal,
          priority: 'job',
          onProgress: (event) => {
            const update = event as ProfileTaskEvent;
            if (update.kind === 'progress') fractions[i] = update.fraction;
            else curves[i] = update.curve;
            follow();
          },
        });
      }).then((ledger) => {
        fractions[i] = 1;
        curves[i] = robustAccuracyCurve(ledger);
        follow();
        return ledger;
      }),
    ),
  );
  return mergeProfiles(ledgers);
}

/** The curve of all samples from those of its shards. */
function joinCurves(curves: readonly (readonly CurvePoint[])[], samples: number): CurvePoint[] {
  return (curves[0] as readonly CurvePoint[]).map(({ epsilon }, budget) => {
    const robust = curves.reduce((sum, curve) => sum + (curve[budget]?.robust ?? 0), 0);
    return { epsilon, robust, accuracy: wilsonInterval(robust, samples) };
  });
}

/** A ledger as safetensors; equal ledgers give equal bytes. */
export function encodeLedger(ledger: WitnessLedger): Uint8Array {
  const { tensors, metadata } = ledgerToTensors(ledger);
  return writeSafetensors(tensors as Record<string, HostTensor>, metadata);
}

/** Reads what `encodeLedger` wrote. */
export function decodeLedger(bytes: Uint8Array): WitnessLedger {
  const { tensors, metadata } = readSafetensors(bytes);
  return ledgerFromTensors({ tensors: tensors as Parameters<typeof ledgerFromTensors>[0]['tensors'], metadata });
}

/** SHA-256 of a ledger's bytes. */
export function ledgerDigest(ledger: WitnessLedger): string {
  return sha256Hex(encodeLedger(ledger));
}
