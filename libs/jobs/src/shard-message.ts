import { randomUUID } from 'node:crypto';
import type { Bus, BusEvent } from '@percept/bus';
import { traceHeaders } from '@percept/platform';
import { type JobPriority, queueOf } from './job-priority.js';
import { decodeJson, encodeJson } from './json.js';

/** One shard on the work queue. */
export interface ShardMessage {
  readonly job: string;
  readonly id: string;
  /** What it has to run on: engine, version, path, threads and processor, so that every worker gives the same bits. */
  readonly engine: string;
  /** That of its job. */
  readonly priority: JobPriority;
}

/** The work queue of the shards of a group of kinds, such as `attack-shards`. */
export function shardQueue(group: string): string {
  return `${group}-shards`;
}

/** Events of shards stand beside those of their job. */
export function shardEvents(job: string): string {
  return `${job}-shards`;
}

export const FINISHED_KIND = 'finished';
export const PROGRESS_KIND = 'progress';

export async function publishShard(bus: Bus, group: string, message: ShardMessage): Promise<void> {
  // Never dropped as a duplicate: a second copy finds the outcome of the first.
  await bus.publishWork(queueOf(shardQueue(group), message.priority), message.id, encodeJson(message), {
    dedupeId: randomUUID(),
    headers: traceHeaders(),
  });
}

/** @throws SyntaxError. */
export function decodeShard(body: Uint8Array): ShardMessage {
  const { job, id, engine, priority } = decodeJson(body) as Partial<ShardMessage>;
  if (typeof job !== 'string' || typeof id !== 'string' || typeof engine !== 'string') {
    throw new SyntaxError('not a shard');
  }
  return { job, id, engine, priority: priority === 'interactive' ? priority : 'batch' };
}

export function shardEvent(message: ShardMessage, kind: string, data: Uint8Array): BusEvent {
  return {
    job: shardEvents(message.job),
    kind,
    id: randomUUID(),
    source: `/percept/jobs/${message.job}/shards/${message.id}`,
    type: `percept.shard.${kind}`,
    time: new Date().toISOString(),
    dataContentType: 'application/octet-stream',
    data,
  };
}
