import {
  AttackOptions,
  AttackSpec,
  type AttackTargetedRequest,
  DatasetSelection,
  type Job,
  ProfileSettings,
  ReportSpec,
  TrainingSpec,
} from '@percept/contracts';
import { followJob } from '../../../tools/cli/src/follow-job.js';
import type { JobOwner, PerceptClient } from '../../../tools/cli/src/percept-client.js';
import { ProgressDisplay } from '../../../tools/cli/src/progress-display.js';

/** Adversarial training on 1,000 digits by a network of four blocks: seconds. */
export function smallTraining(change: Partial<TrainingSpec> = {}): TrainingSpec {
  return TrainingSpec.fromPartial({
    recipe: 'pgd',
    preset: 'quickstart',
    dataset: 'mnist-5k',
    width: 4,
    blocks: [1, 1, 1, 1],
    epochs: 2,
    trainLimit: 1_000,
    testLimit: 100,
    registerAs: 'small',
    ...change,
  });
}

/** A call of Targeted on one image of noise and one step: the least that shows a service at work. */
export function smallestTargeted(model: string): AttackTargetedRequest {
  return {
    model: { reference: { $case: 'registered', value: model } },
    images: { source: { $case: 'noise', value: { count: 1, seed: 0 } } },
    targets: [1],
    options: AttackOptions.fromPartial({ steps: 1 }),
    omitImages: true,
    includeOriginals: false,
  };
}

/** A targeted attack on 210 digits, which is more than one shard. */
export function smallAttack(model: string): AttackSpec {
  return AttackSpec.fromPartial({
    model: { reference: { $case: 'registered', value: model } },
    images: { source: { $case: 'samples', value: { dataset: 'mnist-5k', split: 'test', count: 210 } } },
    goal: { $case: 'targeted', value: { targets: [8] } },
    options: AttackOptions.fromPartial({
      epsilon: 0.2,
      steps: 5,
      restarts: 2,
      step: { $case: 'relativeStep', value: 0.3 },
    }),
  });
}

/** A report of one model on 40 digits, figures and smoothness included. */
export function smallReport(model: string): ReportSpec {
  return ReportSpec.fromPartial({
    title: 'a small report',
    models: [{ model: { reference: { $case: 'registered', value: model } } }],
    samples: DatasetSelection.fromPartial({ dataset: 'mnist-5k', split: 'test', count: 40 }),
    profile: ProfileSettings.fromPartial({
      grid: [0, 0.1, 0.2],
      attack: AttackOptions.fromPartial({ steps: 5, restarts: 1, step: { $case: 'relativeStep', value: 0.3 } }),
      confirmations: [{ attack: { method: 'square', queries: 20 }, place: { $case: 'frontierFrom', value: 0.1 } }],
    }),
    figures: { inversion: { steps: 5 } },
    smoothnessSamples: 5,
  });
}

/** Waits for the end of a job that must succeed. */
export async function untilDone(client: PerceptClient, owner: JobOwner, job: Job | undefined): Promise<Job> {
  return await followJob(client.jobs(owner), job?.id ?? '', owner, new ProgressDisplay(), AbortSignal.timeout(300_000));
}

/** Trains and answers with the digest of the weights. */
export async function train(client: PerceptClient, spec: TrainingSpec): Promise<string> {
  const { job } = await client.training.submit({ requestId: '', spec });
  const { result } = await untilDone(client, 'training', job);
  if (result?.result?.$case !== 'model') throw new Error('the training ended without a model');
  return result.result.value.digest;
}
