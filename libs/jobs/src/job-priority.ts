/** `interactive`: someone waits for it. */
export type JobPriority = 'interactive' | 'batch';

export const JOB_PRIORITIES: readonly JobPriority[] = ['interactive', 'batch'];

/** Each priority has a queue, and so a subject and a consumer, of its own: `attack` and `attack-interactive`. */
export function queueOf(name: string, priority: JobPriority): string {
  return priority === 'interactive' ? `${name}-interactive` : name;
}
