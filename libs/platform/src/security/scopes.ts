import {
  AttackService,
  DatasetService,
  EvaluationService,
  GRPCInferenceServiceService,
  JobsService,
  ModelsService,
  type ServiceShape,
  TrainingService,
} from '@percept/contracts';

/** What a token may allow, as `<service>:<right>`. */
export const scopes = [
  'dataset:read',
  'dataset:write',
  'training:read',
  'training:submit',
  'models:read',
  'models:write',
  'attack:read',
  'attack:call',
  'attack:submit',
  'evaluation:read',
  'evaluation:submit',
  'jobs:read',
  'jobs:cancel',
  'jobs:requeue',
  'jobs:collect',
  'inference:read',
  'inference:call',
  'dashboard:read',
  'dashboard:write',
] as const;

/** A scope of `scopes`. */
export type Scope = (typeof scopes)[number];

/** A scope as a token names it: one, all of a service (`attack:*`), or all there are (`*`). */
export type GrantedScope = Scope | `${string}:*` | '*';

/** The path of every call with the scope it needs; the compiler refuses a service with a call that has none. */
function needs<Service extends ServiceShape>(
  service: Service,
  needed: { readonly [Call in keyof Service]: Scope },
): readonly (readonly [string, Scope])[] {
  return Object.entries(service).map(([call, { path }]) => [path, needed[call as keyof Service]] as const);
}

/** The scope that each call needs, by its path such as `/percept.v1.Attack/Targeted`. */
export const callScopes: ReadonlyMap<string, Scope> = new Map([
  ...needs(DatasetService, {
    list: 'dataset:read',
    get: 'dataset:read',
    read: 'dataset:read',
    getSamples: 'dataset:read',
    import: 'dataset:write',
  }),
  ...needs(TrainingService, { listRecipes: 'training:read', submit: 'training:submit' }),
  ...needs(ModelsService, {
    list: 'models:read',
    get: 'models:read',
    export: 'models:read',
    import: 'models:write',
    setAlias: 'models:write',
    delete: 'models:write',
  }),
  ...needs(AttackService, {
    listMethods: 'attack:read',
    getResult: 'attack:read',
    targeted: 'attack:call',
    untargeted: 'attack:call',
    targetedStream: 'attack:call',
    submit: 'attack:submit',
  }),
  ...needs(EvaluationService, {
    submit: 'evaluation:submit',
    getReport: 'evaluation:read',
    getArtifact: 'evaluation:read',
    compareReports: 'evaluation:read',
  }),
  ...needs(JobsService, {
    get: 'jobs:read',
    list: 'jobs:read',
    watch: 'jobs:read',
    cancel: 'jobs:cancel',
    listDeadLetters: 'jobs:read',
    requeueDeadLetter: 'jobs:requeue',
    collectGarbage: 'jobs:collect',
  }),
  ...needs(GRPCInferenceServiceService, {
    serverLive: 'inference:read',
    serverReady: 'inference:read',
    modelReady: 'inference:read',
    serverMetadata: 'inference:read',
    modelMetadata: 'inference:read',
    modelInfer: 'inference:call',
  }),
]);

/** Says whether a text names a scope, or all of a service, or all. */
export function isGrantedScope(text: string): text is GrantedScope {
  if (text === '*') return true;
  const service = /^([a-z]+):\*$/.exec(text)?.[1];
  return service === undefined
    ? (scopes as readonly string[]).includes(text)
    : scopes.some((scope) => scope.startsWith(`${service}:`));
}

/** Says whether what was granted covers what is needed. */
export function grants(granted: readonly GrantedScope[], needed: Scope): boolean {
  return granted.some((scope) => scope === '*' || scope === needed || scope === `${needed.split(':')[0]}:*`);
}
