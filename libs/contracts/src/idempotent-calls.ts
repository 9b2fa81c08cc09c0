/**
 * Calls that may be sent again when a connection breaks: those that change nothing, and those whose `request_id`, which
 * `createClient` always fills in, makes the second answer the first. Client-streaming imports are not among them, nor
 * is RequeueDeadLetter, which a second time finds nothing.
 */
export const idempotentCalls: Readonly<Record<string, readonly string[]>> = {
  'percept.v1.Dataset': ['List', 'Get', 'Read', 'GetSamples'],
  'percept.v1.Training': ['ListRecipes', 'Submit'],
  'percept.v1.Models': ['List', 'Get', 'Export', 'SetAlias', 'Delete'],
  'percept.v1.Attack': ['Targeted', 'Untargeted', 'TargetedStream', 'Submit', 'GetResult', 'ListMethods'],
  'percept.v1.Evaluation': ['Submit', 'GetReport', 'GetArtifact', 'CompareReports'],
  'inference.GRPCInferenceService': [
    'ServerLive',
    'ServerReady',
    'ModelReady',
    'ServerMetadata',
    'ModelMetadata',
    'ModelInfer',
  ],
  'percept.v1.Jobs': ['Get', 'List', 'Watch', 'Cancel', 'ListDeadLetters', 'CollectGarbage'],
};

/** The gRPC service config that retries idempotent calls on UNAVAILABLE, four attempts in all, and spreads calls over replicas. */
export function serviceConfig(): string {
  return JSON.stringify({
    loadBalancingConfig: [{ round_robin: {} }],
    methodConfig: Object.entries(idempotentCalls).map(([service, methods]) => ({
      name: methods.map((method) => ({ service, method })),
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.2s',
        maxBackoff: '2s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    })),
  });
}
