import type { JobEventView, JobState, PictureView, ProgressView } from '../../src/views.js';

/** One line of a chart: equally long lists, x in order. */
export interface Points {
  readonly xs: readonly number[];
  readonly ys: readonly number[];
}

/** One line of a job's log. */
export interface LogLine {
  readonly sequence: number;
  readonly at: number;
  readonly level: 'info' | 'warning' | 'error';
  readonly message: string;
}

/** All that a job's events have told so far. */
export interface JobHistory {
  readonly state: JobState | null;
  readonly progress: ProgressView | null;
  readonly metrics: ReadonlyMap<string, Points>;
  readonly profiles: ReadonlyMap<string, Points>;
  /** Points of profiles, as `MODEL EPSILON`, that may still fall. */
  readonly provisional: ReadonlySet<string>;
  readonly log: readonly LogLine[];
  readonly droppedLines: number;
  readonly pictures: ReadonlyMap<string, ReadonlyMap<string, readonly PictureView[]>>;
}

export const emptyHistory: JobHistory = {
  state: null,
  progress: null,
  metrics: new Map(),
  profiles: new Map(),
  provisional: new Set(),
  log: [],
  droppedLines: 0,
  pictures: new Map(),
};

const keptLines = 2_000;
const keptPictures = 1_200;

/** Puts a point in its place by x; a second one at the same x takes the place of the first. */
export function withPoint(points: Points, x: number, y: number): Points {
  const xs = [...points.xs];
  const ys = [...points.ys];
  let at = xs.length;
  while (at > 0 && (xs[at - 1] ?? 0) >= x) at--;
  const same = xs[at] === x ? 1 : 0;
  xs.splice(at, same, x);
  ys.splice(at, same, y);
  return { xs, ys };
}

function addPoints(lines: Map<string, Points>, added: ReadonlyMap<string, (readonly [number, number])[]>): void {
  for (const [name, points] of added) {
    const old = lines.get(name) ?? { xs: [], ys: [] };
    const last = old.xs.at(-1) ?? Number.NEGATIVE_INFINITY;
    const ordered = points.every(([x], index) => x > (points[index - 1]?.[0] ?? last));
    if (ordered) {
      lines.set(name, { xs: [...old.xs, ...points.map(([x]) => x)], ys: [...old.ys, ...points.map(([, y]) => y)] });
    } else {
      lines.set(
        name,
        points.reduce((line, [x, y]) => withPoint(line, x, y), old),
      );
    }
  }
}

function addPicture(pictures: Map<string, ReadonlyMap<string, readonly PictureView[]>>, picture: PictureView): void {
  const slots = new Map(pictures.get(picture.group));
  const steps = (slots.get(picture.slot) ?? []).filter((old) => old.step !== picture.step);
  slots.set(
    picture.slot,
    [...steps, picture].sort((a, b) => (a.step ?? Number.POSITIVE_INFINITY) - (b.step ?? Number.POSITIVE_INFINITY)),
  );
  pictures.set(picture.group, slots);
}

function countPictures(pictures: JobHistory['pictures']): number {
  let count = 0;
  for (const slots of pictures.values()) for (const steps of slots.values()) count += steps.length;
  return count;
}

/** Adds events, which come in the order of their sequence numbers, to a history. */
export function addEvents(history: JobHistory, events: readonly JobEventView[]): JobHistory {
  let { state, progress, droppedLines } = history;
  const metrics = new Map(history.metrics);
  const profiles = new Map(history.profiles);
  const pictures = new Map(history.pictures);
  const provisional = new Set(history.provisional);
  const log = [...history.log];
  const newMetrics = new Map<string, (readonly [number, number])[]>();
  const newProfiles = new Map<string, (readonly [number, number])[]>();
  const push = (lines: Map<string, (readonly [number, number])[]>, name: string, x: number, y: number): void => {
    const points = lines.get(name);
    if (points) points.push([x, y]);
    else lines.set(name, [[x, y]]);
  };
  let pictureCount = countPictures(pictures);
  for (const event of events) {
    switch (event.kind) {
      case 'state':
        state = event.state;
        break;
      case 'progress':
        progress = event.progress;
        break;
      case 'metric':
        push(newMetrics, event.series, event.step, event.value);
        break;
      case 'profile':
        push(newProfiles, event.model, event.epsilon, event.accuracy);
        if (event.provisional) provisional.add(`${event.model} ${event.epsilon}`);
        else provisional.delete(`${event.model} ${event.epsilon}`);
        break;
      case 'log':
        log.push({ sequence: event.sequence, at: event.at, level: event.level, message: event.message });
        break;
      case 'picture':
        if (pictureCount < keptPictures) addPicture(pictures, event.picture);
        pictureCount++;
        break;
    }
  }
  addPoints(metrics, newMetrics);
  addPoints(profiles, newProfiles);
  const excess = Math.max(0, log.length - keptLines);
  droppedLines += excess;
  return { state, progress, metrics, profiles, provisional, pictures, log: log.slice(excess), droppedLines };
}
