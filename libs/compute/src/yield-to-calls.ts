import { existsSync, readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';

/**
 * The largest niceness: at less a thread that has a call to answer waits for slices of the computing ones. Against others than the threads of
 * this process it counts only within the same session (Linux's autogroups) or container.
 */
const lowestPriority = 19;

/**
 * Lowers the priority of the calling thread, and so of the threads it starts from now on, so that the threads which answer calls go first.
 * Only Linux has priorities per thread; elsewhere nothing changes.
 */
export function yieldToCalls(): void {
  const link = '/proc/thread-self';
  if (process.platform !== 'linux' || !existsSync(link)) return;
  // PID/task/TID
  const thread = Number(path.basename(readlinkSync(link)));
  setPriority(thread, lowestPriority);
}
