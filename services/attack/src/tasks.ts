import {
  type AskedGoal,
  type AttackedModel,
  type AttackPlan,
  type AttackProgress,
  type AttackResult,
  leavePredictions,
  runAttack,
} from '@percept/attacks';
import { type TaskContext, type Transferring, transferring } from '@percept/compute';
import { type RemoteModelDescription, RemoteModelGateway } from '@percept/gateways';
import { ModelCache, type ModelWeights } from '@percept/models';

const models = new ModelCache(4);

/** An attack as plain data, as it travels to a compute worker. */
export interface AttackTask {
  readonly model:
    | { readonly kind: 'registered'; readonly weights: ModelWeights }
    | { readonly kind: 'remote'; readonly description: RemoteModelDescription };
  /** n flattened NHWC images in [0, 1]. */
  readonly images: Float32Array;
  readonly goal: AskedGoal;
  readonly sampleIds: Int32Array;
  readonly plan: AttackPlan;
  /** Send snapshots as they are taken, instead of with the result. */
  readonly streamSnapshots: boolean;
}

/** What a running attack tells its caller. */
export type AttackTaskEvent =
  | { readonly kind: 'progress'; readonly step: number; readonly succeeded: number; readonly images: number }
  | { readonly kind: 'snapshot'; readonly step: number; readonly images: Float32Array };

/** Runs one attack in a compute worker. Errors: InvalidAttackError, NonFiniteLogitsError, those of `RemoteModelGateway.scores`, cancellation. */
export async function attack(task: AttackTask, context: TaskContext): Promise<Transferring<AttackResult>> {
  if (task.model.kind === 'registered')
    return await attackModel({ kind: 'gradients', model: models.get(task.model.weights) }, task, context);
  const scorer = new RemoteModelGateway(task.model.description, context.signal);
  try {
    return await attackModel({ kind: 'scores', scorer }, task, context);
  } finally {
    scorer.close();
  }
}

async function attackModel(
  attacked: AttackedModel,
  task: AttackTask,
  context: TaskContext,
): Promise<Transferring<AttackResult>> {
  const snapshots = task.streamSnapshots ? new SnapshotStream(task.images, task.sampleIds.length, context) : undefined;
  let step = 0;
  const hooks = {
    signal: context.signal,
    onStep: ({ succeeded, images }: AttackProgress) => {
      context.throwIfCancelled();
      step++;
      context.progress({ kind: 'progress', step, succeeded, images } satisfies AttackTaskEvent);
    },
    ...(snapshots ? { onSnapshot: snapshots.add.bind(snapshots) } : {}),
  };
  const { plan, images, goal, sampleIds } = task;
  const result =
    goal.kind === 'leave-predictions'
      ? await leavePredictions(attacked, plan, images, sampleIds, hooks)
      : await runAttack(attacked, plan, images, goal, sampleIds, hooks);
  snapshots?.finish(result.images);
  const answer = task.streamSnapshots ? { ...result, snapshots: [] } : result;
  return transferring(answer, [answer.images, ...answer.snapshots.map((snapshot) => snapshot.images)]);
}

/** Gathers the snapshots of single images into one message per step, sent once every image that is still attacked has passed that step. */
class SnapshotStream {
  readonly #latest: Float32Array;
  readonly #size: number;
  readonly #context: TaskContext;
  #step = 0;
  #changed = false;

  constructor(images: Float32Array, count: number, context: TaskContext) {
    this.#latest = images.slice();
    this.#size = images.length / count;
    this.#context = context;
  }

  add(index: number, step: number, image: Float32Array): void {
    if (step > this.#step) {
      this.#send();
      this.#step = step;
    }
    this.#latest.set(image, index * this.#size);
    this.#changed = true;
  }

  finish(images: Float32Array): void {
    this.#latest.set(images);
    this.#send();
  }

  #send(): void {
    if (!this.#changed) return;
    const images = this.#latest.slice();
    this.#context.progress({ kind: 'snapshot', step: this.#step, images } satisfies AttackTaskEvent, [images.buffer]);
    this.#changed = false;
  }
}
