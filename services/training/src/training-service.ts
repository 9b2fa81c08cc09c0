import {
  type CallOptions,
  TrainingService,
  type TrainingSubmitRequest,
  type TrainingSubmitResponse,
} from '@percept/contracts';
import { type JobQueue, toJob } from '@percept/jobs';
import { type MountedService, mount, Violations } from '@percept/platform';
import { recipes } from '@percept/recipes';
import { trainingJobKind } from './job-training.js';
import { recipeMessage } from './recipe-message.js';
import { completeSpec, type TrainingSources, validateTraining } from './validate-training.js';

/** `percept.v1.Training`: recipes, and jobs into the queue. */
export function trainingService(sources: TrainingSources, queue: JobQueue): MountedService {
  return mount(TrainingService, {
    listRecipes: async () => ({ recipes: recipes.map(recipeMessage) }),
    submit: (request, context) => submit(request, context, sources, queue),
  });
}

async function submit(
  { requestId, spec, interactive }: TrainingSubmitRequest,
  context: CallOptions,
  sources: TrainingSources,
  queue: JobQueue,
): Promise<TrainingSubmitResponse> {
  const violations = new Violations();
  violations.requestId(requestId);
  const plan = await validateTraining(spec, sources, context, violations);
  const complete = { spec: { $case: 'training' as const, value: completeSpec(plan) } };
  const record = await queue.submit({
    kind: trainingJobKind,
    spec: complete,
    requestId,
    priority: interactive ? 'interactive' : 'batch',
  });
  return { job: toJob(record, complete) };
}
