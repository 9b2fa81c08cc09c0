import type { ComputePool } from '@percept/compute';
import {
  type ClientSecurity,
  type JobResult,
  LogLevel,
  type Model,
  PerceptRpcError,
  storeUri,
  type TrainingResult,
} from '@percept/contracts';
import { type JobContext, JobFailedError, JobRetryError } from '@percept/jobs';
import { modelWeightsOf, precisionMessage } from '@percept/messages';
import { decodeJobCheckpoint, encodeJobCheckpoint, type JobCheckpoint } from './job-checkpoint.js';
import { LatestCheckpoint } from './latest-checkpoint.js';
import { weightsKey } from './model-registry.js';
import { stepsOf, type TrainingPlan, teacherPlan } from './training-plan.js';
import type { TaskCheckpoint, TrainingOutcome, TrainingTask, TrainingTaskEvent } from './training-task.js';
import { type TrainingSources, validateTraining } from './validate-training.js';

/** The kind of training jobs. */
export const trainingJobKind = 'training';

const checkpointMs = 30_000;

/** What training jobs run on. */
export interface TrainingJobDependencies extends TrainingSources {
  readonly pool: ComputePool;
  /** Address of the Dataset service, for the workers. */
  readonly datasetAddress: string;
  readonly security: ClientSecurity;
}

/** One of a job's trainings, and where it lies in the job. */
interface Stage {
  readonly name: JobCheckpoint['stage'];
  readonly plan: TrainingPlan;
  readonly teacher: Model | undefined;
  /** Registry id of the teacher that this job trained. */
  readonly ownTeacherId: string | undefined;
  readonly stepsBefore: number;
  readonly totalSteps: number;
  readonly checkpoint: TaskCheckpoint | undefined;
}

/**
 * Does the work of a training job: trains the teacher first where the recipe needs one and none was named, then the model; registers both.
 * Goes on from the last checkpoint of an earlier attempt.
 */
export async function trainingJob(context: JobContext, dependencies: TrainingJobDependencies): Promise<JobResult> {
  if (context.spec.spec?.$case !== 'training')
    throw new JobFailedError('INTERNAL', 'a training job needs a training spec');
  const { signal } = context;
  const plan = await validateTraining(context.spec.spec.value, dependencies, { signal });
  const saved = await context.checkpoint.load();
  const checkpoint: JobCheckpoint = saved === undefined ? { stage: 'teacher' } : decodeJobCheckpoint(saved);
  describeEngine(context, dependencies.pool);
  const ownTeacherPlan = plan.recipe.needsTeacher && plan.teacher === undefined ? teacherPlan(plan) : undefined;
  const stepsBefore = ownTeacherPlan ? stepsOf(ownTeacherPlan) : 0;
  const totalSteps = stepsBefore + stepsOf(plan);
  let ownTeacherId = checkpoint.teacherId;
  if (ownTeacherPlan && ownTeacherId === undefined) {
    const stage = { name: 'teacher', plan: ownTeacherPlan, teacher: undefined, stepsBefore: 0, totalSteps } as const;
    const trained = await runStage({ ...stage, ownTeacherId, checkpoint: checkpoint.task }, context, dependencies);
    ownTeacherId = trained.id;
    await context.checkpoint.save(encodeJobCheckpoint({ stage: 'model', teacherId: ownTeacherId }));
  }
  const teacher = ownTeacherId === undefined ? plan.teacher : await dependencies.registry.get(ownTeacherId);
  const taskCheckpoint = checkpoint.stage === 'model' ? checkpoint.task : undefined;
  const model = await runStage(
    { name: 'model', plan, teacher, ownTeacherId, stepsBefore, totalSteps, checkpoint: taskCheckpoint },
    context,
    dependencies,
  );
  return jobResult(model, ownTeacherId ?? '');
}

/** Trains one model and registers it, unless an earlier attempt did. */
async function runStage(stage: Stage, context: JobContext, dependencies: TrainingJobDependencies): Promise<Model> {
  const { plan } = stage;
  const origin = `${context.job.id}-${stage.name}`;
  const registered = await dependencies.registry.registeredBy(plan.name, origin);
  if (registered !== undefined) return registered;
  await log(context, describeStage(stage));
  const outcome = await runTask(stage, context, dependencies);
  context.signal.throwIfAborted();
  const model = await dependencies.registry.register(
    outcome.safetensors,
    {
      name: plan.name,
      spec: { ...plan.spec, blocks: [...plan.spec.blocks], mean: [...plan.spec.mean], std: [...plan.spec.std] },
      classNames: [...plan.dataset.classNames],
      training: provenance(stage, context.job.id, outcome.epochs, dependencies.pool),
      metrics: { ...outcome.metrics },
      description: '',
      parameterCount: outcome.parameterCount,
    },
    origin,
  );
  await log(context, `registered ${model.name}@${model.version} (${model.id})`);
  return model;
}

async function runTask(
  stage: Stage,
  context: JobContext,
  { pool, datasetAddress, security, registry }: TrainingJobDependencies,
): Promise<TrainingOutcome> {
  const { plan, teacher } = stage;
  const task: TrainingTask = {
    recipe: plan.recipe.name,
    parameters: plan.parameters,
    spec: plan.spec,
    epochs: plan.epochs,
    batchSize: plan.batchSize,
    seed: plan.seed,
    precision: plan.precision,
    dataset: { address: datasetAddress, security, name: plan.dataset.name },
    trainSamples: plan.trainSamples,
    testSamples: plan.testSamples,
    checkpointMs,
    ...(teacher ? { teacher: modelWeightsOf(teacher, await registry.weights(teacher)) } : {}),
    ...(stage.checkpoint ? { checkpoint: stage.checkpoint } : {}),
  };
  const lost = new AbortController();
  const checkpoints = new LatestCheckpoint(context.checkpoint.save, (error) => lost.abort(error));
  const emitting = new Set<Promise<void>>();
  try {
    return await pool.run<TrainingOutcome>('train', task, {
      priority: 'job',
      signal: AbortSignal.any([context.signal, lost.signal]),
      onProgress: (event) => {
        const sent = follow(event as TrainingTaskEvent, stage, context, checkpoints);
        if (sent === undefined) return;
        const kept = sent.catch((error) => lost.abort(error)).finally(() => emitting.delete(kept));
        emitting.add(kept);
      },
    });
  } catch (error) {
    throw jobError(lost.signal.aborted ? lost.signal.reason : error);
  } finally {
    await Promise.all(emitting);
    await checkpoints.settled();
  }
}

/** Passes on what a task tells; a promise where something was sent that must arrive. */
function follow(
  event: TrainingTaskEvent,
  stage: Stage,
  context: JobContext,
  checkpoints: LatestCheckpoint,
): Promise<void> | undefined {
  switch (event.kind) {
    case 'step': {
      const { step, epoch, epochs, loss } = event;
      const of = stage.name === 'teacher' ? 'teacher: ' : '';
      context.progress({
        done: stage.stepsBefore + step,
        total: stage.totalSteps,
        unit: 'steps',
        message: `${of}epoch ${epoch + 1} of ${epochs}, loss ${loss.toFixed(3)}`,
      });
      return undefined;
    }
    case 'metrics': {
      const metrics = Object.entries(event.metrics).map(([name, value]) => ({ name, value }));
      const model = stage.totalSteps === stepsOf(stage.plan) ? '' : stage.plan.name;
      return context.emit({ $case: 'metrics', value: { step: event.step, epoch: event.epoch, metrics, model } });
    }
    case 'log':
      return log(context, event.message);
    case 'checkpoint': {
      const { name, ownTeacherId } = stage;
      const teacher = ownTeacherId === undefined ? {} : { teacherId: ownTeacherId };
      checkpoints.offer(encodeJobCheckpoint({ stage: name, ...teacher, task: event.checkpoint }));
      return undefined;
    }
  }
}

/** What a failed task means for its job: errors leave the worker by name. */
function jobError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  switch (error.name) {
    case 'WorkerCrashedError':
    case 'PoolClosedError':
    case 'QueueFullError':
      return new JobRetryError(error.message, { cause: error });
    case 'DivergedError':
      return new JobFailedError('OUT_OF_RANGE', error.message, { cause: error });
    case 'PerceptRpcError': {
      const { code, rawMessage = error.message } = error as Partial<PerceptRpcError>;
      if (error instanceof PerceptRpcError) return error;
      if (code === 'UNAVAILABLE') return new JobRetryError(rawMessage, { cause: error });
      return new JobFailedError(code ?? 'INTERNAL', rawMessage, { cause: error });
    }
    default:
      return error;
  }
}

function provenance(
  { plan, teacher }: Stage,
  jobId: string,
  epochs: number,
  { engine }: ComputePool,
): NonNullable<Model['training']> {
  return {
    jobId,
    recipe: plan.recipe.name,
    preset: plan.preset,
    parameters: { ...plan.parameters },
    dataset: plan.dataset.name,
    datasetDigest: plan.dataset.splits.find(({ name }) => name === 'train')?.digest ?? '',
    trainSamples: plan.trainSamples,
    epochs,
    batchSize: plan.batchSize,
    seed: plan.seed,
    precision: precisionMessage(plan.precision),
    teacherId: teacher?.id ?? '',
    engine: {
      name: engine.name,
      version: engine.version,
      path: engine.path,
      threads: engine.threads,
      cpu: engine.cpu,
    },
  };
}

function jobResult(model: Model, teacherId: string): JobResult {
  const value: TrainingResult = {
    modelId: model.id,
    modelName: model.name,
    modelVersion: model.version,
    digest: model.digest,
    metrics: model.metrics,
    teacherId,
  };
  const weights = {
    name: 'weights.safetensors',
    uri: storeUri(weightsKey(model.id)),
    sha256: model.digest,
    sizeBytes: model.sizeBytes,
    mediaType: 'application/octet-stream',
  };
  return { result: { $case: 'model', value }, artifacts: [weights] };
}

function describeStage({ plan, teacher, checkpoint }: Stage): string {
  const { recipe, dataset, trainSamples, epochs, batchSize, spec } = plan;
  const verb =
    checkpoint === undefined ? 'training' : `going on after ${checkpoint.measurements.epochs} whole epochs with`;
  const from = teacher === undefined ? '' : `, taught by ${teacher.name}@${teacher.version}`;
  return `${verb} ${recipe.name} at width ${spec.width} on ${trainSamples} images of ${dataset.name}, ${epochs} epochs in batches of ${batchSize}${from}`;
}

function describeEngine(context: JobContext, { engine }: ComputePool): void {
  const { name, version, path, threads, cpu, warning } = engine;
  context.environment({
    engine: name,
    version,
    path,
    threads: String(threads),
    processor: cpu,
    ...(warning === undefined ? {} : { warning }),
  });
}

async function log(context: JobContext, message: string): Promise<void> {
  await context.emit({ $case: 'log', value: { level: LogLevel.INFO, message } });
}
