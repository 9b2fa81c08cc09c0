import type { JobEventView } from './views.js';

/** The most points of one series, and the most log lines, that one update carries. */
export const updateLimit = 500;

function thin<T>(items: readonly T[], limit: number): T[] {
  if (items.length <= limit) return [...items];
  const kept: T[] = [];
  for (let index = 1; index <= limit; index++) {
    const item = items[Math.ceil((index * items.length) / limit) - 1];
    if (item !== undefined) kept.push(item);
  }
  return kept;
}

function keyOf(event: JobEventView): string {
  switch (event.kind) {
    case 'metric':
      return `metric ${event.series}`;
    case 'profile':
      return `profile ${event.model} ${event.epsilon}`;
    case 'picture':
      return `picture ${event.picture.group} ${event.picture.slot} ${event.picture.step}`;
    default:
      return event.kind;
  }
}

/**
 * Joins the events of one update window: every point of a series up to {@link updateLimit} evenly spread ones, the newest
 * log lines, each state, and only the last of progress, of a profile's point and of a picture's place and step.
 * The order by sequence number and the newest event of every series stay.
 */
export function coalesceEvents(events: readonly JobEventView[]): JobEventView[] {
  const groups = new Map<string, JobEventView[]>();
  for (const event of events) {
    const key = keyOf(event);
    const group = groups.get(key);
    if (group) group.push(event);
    else groups.set(key, [event]);
  }
  const kept: JobEventView[] = [];
  for (const group of groups.values()) {
    const kind = group[0]?.kind;
    if (kind === 'metric') kept.push(...thin(group, updateLimit));
    else if (kind === 'log') kept.push(...group.slice(-updateLimit));
    else if (kind === 'state') kept.push(...group);
    else kept.push(...group.slice(-1));
  }
  return kept.sort((a, b) => a.sequence - b.sequence);
}
