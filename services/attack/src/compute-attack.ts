import type { AttackResult } from '@percept/attacks';
import type { ComputePool } from '@percept/compute';
import { modelOfTask } from './attacked-model.js';
import type { AttackTask, AttackTaskEvent } from './tasks.js';
import type { AttackSources, PreparedAttack } from './validate-attack-call.js';

/** Runs tasks of `tasks.ts`, here or in other processes. */
export type Computing = Pick<ComputePool, 'engine' | 'run'>;

/** Where an attack gets what it needs. */
export interface AttackDependencies extends AttackSources {
  readonly pool: Computing;
}

/** Computes a prepared attack in a compute worker. */
export async function computeAttack(
  prepared: PreparedAttack,
  pool: Computing,
  how: { signal: AbortSignal; priority: 'interactive' | 'job'; onEvent?: (event: AttackTaskEvent) => void },
): Promise<{ result: AttackResult; wallSeconds: number }> {
  const { attacked, resolved, goal, plan } = prepared;
  const task: AttackTask = {
    model: modelOfTask(attacked),
    images: resolved.images,
    goal,
    sampleIds: resolved.sampleIds,
    plan,
    streamSnapshots: how.onEvent !== undefined,
  };
  const started = performance.now();
  const { onEvent } = how;
  const result = await pool.run<AttackResult>('attack', task, {
    signal: how.signal,
    priority: how.priority,
    ...(onEvent ? { onProgress: (event: unknown) => onEvent(event as AttackTaskEvent) } : {}),
  });
  return { result, wallSeconds: (performance.now() - started) / 1000 };
}
