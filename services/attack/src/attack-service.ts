import { type AttackPlan, attackMethods } from '@percept/attacks';
import type { ComputePool } from '@percept/compute';
import {
  AttackGoal,
  type AttackMethod,
  AttackService,
  type AttackTargetedRequest,
  type AttackTargetedStreamResponse,
  type AttackUntargetedRequest,
  ParameterType,
} from '@percept/contracts';
import { type CallContext, type MountedService, mount, Violations } from '@percept/platform';
import { answerAttack, snapshotMessage } from './attack-answer.js';
import type { AttackJobs } from './attack-jobs.js';
import { type AttackDependencies, computeAttack } from './compute-attack.js';
import { EventQueue } from './event-queue.js';
import type { AttackTaskEvent } from './tasks.js';
import { type AttackAsked, prepareAttack } from './validate-attack-call.js';

/** The Attack service: a request is validated by `prepareAttack`, computed by `computeAttack` and answered by `answerAttack`. */
export function attackService(
  dependencies: AttackDependencies & { readonly pool: ComputePool },
  jobs: AttackJobs,
): MountedService {
  const run = async (asked: AttackAsked, context: CallContext) => {
    dependencies.pool.checkRoom('interactive');
    const prepared = await prepareAttack(asked, dependencies, context);
    const { result, wallSeconds } = await computeAttack(prepared, dependencies.pool, {
      signal: context.signal,
      priority: 'interactive',
    });
    return { result: answerAttack(prepared, result, dependencies.pool, wallSeconds) };
  };
  return mount(AttackService, {
    targeted: (request, context) => run(targetedAsked(request), context),
    untargeted: (request, context) => run(untargetedAsked(request), context),
    targetedStream: async function* (request, context) {
      dependencies.pool.checkRoom('interactive');
      yield* streamTargeted(request.attack, dependencies, context);
    },
    submit: (request) => jobs.submit(request),
    getResult: (request, context) => jobs.result(request, context.signal),
    listMethods: async () => ({ methods: attackMethods.map(methodMessage) }),
  });
}

function targetedAsked(request: AttackTargetedRequest): AttackAsked {
  return {
    ...request,
    model: request.model,
    images: request.images,
    options: request.options,
    goal: { kind: 'targeted', targets: request.targets },
  };
}

function untargetedAsked(request: AttackUntargetedRequest): AttackAsked {
  return {
    model: request.model,
    images: request.images,
    options: request.options,
    omitImages: request.omitImages,
    includeOriginals: request.includeOriginals,
    goal: { kind: 'untargeted', labelsFrom: request.labelsFrom },
  };
}

async function* streamTargeted(
  request: AttackTargetedRequest | undefined,
  dependencies: AttackDependencies,
  context: CallContext,
): AsyncGenerator<AttackTargetedStreamResponse, void, void> {
  const violations = new Violations();
  violations.check(request !== undefined, 'attack', 'must be given');
  violations.throwIfAny();
  const asked = targetedAsked(request as AttackTargetedRequest);
  const prepared = await prepareAttack(asked, dependencies, context);
  const shape = [prepared.resolved.sampleIds.length, ...prepared.attacked.shape];
  const events = new EventQueue<AttackTaskEvent>(64);
  const computed = computeAttack(prepared, dependencies.pool, {
    signal: context.signal,
    priority: 'interactive',
    onEvent: (event) => events.push(event, event.kind === 'progress'),
  }).finally(() => events.end());
  // The rejection is reported where `computed` is awaited below.
  computed.catch(() => undefined);
  for await (const event of events) yield { update: updateOf(event, stepsPerRestart(prepared.plan), shape) };
  const { result, wallSeconds } = await computed;
  yield { update: { $case: 'result', value: answerAttack(prepared, result, dependencies.pool, wallSeconds) } };
}

/** The steps of a restart of PGD; a search is one long restart to its caller. */
function stepsPerRestart(plan: AttackPlan): number {
  return plan.kind === 'pgd' ? plan.options.steps : 0xffffffff;
}

function updateOf(
  event: AttackTaskEvent,
  steps: number,
  shape: readonly number[],
): AttackTargetedStreamResponse['update'] {
  if (event.kind === 'snapshot') return { $case: 'snapshot', value: snapshotMessage(event.step, event.images, shape) };
  const restart = Math.floor((event.step - 1) / steps);
  return {
    $case: 'progress',
    value: { restart, step: event.step - restart * steps, steps, successes: event.succeeded, images: event.images },
  };
}

const parameterTypes = {
  number: ParameterType.NUMBER,
  integer: ParameterType.INTEGER,
  choice: ParameterType.CHOICE,
  boolean: ParameterType.BOOLEAN,
} as const;

function methodMessage(method: (typeof attackMethods)[number]): AttackMethod {
  return {
    name: method.name,
    description: method.description,
    goals: method.goals.map((goal) => (goal === 'targeted' ? AttackGoal.TARGETED : AttackGoal.UNTARGETED)),
    blackBox: method.blackBox,
    parameters: method.parameters.map((parameter) => ({
      name: parameter.name,
      description: parameter.description,
      type: parameterTypes[parameter.type],
      unit: parameter.unit,
      minimum: parameter.minimum,
      maximum: parameter.maximum,
      exclusiveMinimum: parameter.exclusiveMinimum ?? false,
      choices: [...(parameter.choices ?? [])],
      defaultValue: defaultOf(parameter.default),
    })),
  };
}

function defaultOf(value: number | string | boolean): AttackMethod['parameters'][number]['defaultValue'] {
  switch (typeof value) {
    case 'number':
      return { $case: 'number', value };
    case 'string':
      return { $case: 'choice', value };
    case 'boolean':
      return { $case: 'boolean', value };
  }
}
