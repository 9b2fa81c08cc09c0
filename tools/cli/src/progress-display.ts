/** One line of a progress display. */
export interface ProgressLine {
  /** What is being done, for example the recipe's name. */
  readonly label: string;
  /** Share done, 0 to 1. */
  readonly fraction: number;
  /** What is happening right now, for example `epoch 3 of 5, loss 0.214`. */
  readonly note: string;
  /** Seconds left, where known. */
  readonly etaSeconds?: number;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  /** When a log gets a new line: at every tenth done, which is the default, or only when the state changes. */
  readonly logged?: 'tenths' | 'states';
}

const barWidth = 24;
/** No job's id. */
const lastKey = '';

/** Writes seconds the way people read them: `8 s`, `2 min 05 s`, `1 h 12 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

/** Writes one progress line: label, bar, percentage, note and time left, cut to `columns` characters. */
export function formatProgressLine(line: ProgressLine, columns: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, line.fraction)) * barWidth);
  const mark = { waiting: ' ', running: '>', done: '+', failed: '!' }[line.state];
  const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
  const percent = `${Math.floor(line.fraction * 100)}`.padStart(3);
  const eta =
    line.state === 'running' && line.etaSeconds !== undefined ? `  ${formatDuration(line.etaSeconds)} left` : '';
  return `${mark} ${line.label.padEnd(18)} ${bar} ${percent}%  ${line.note}${eta}`.slice(0, Math.max(20, columns - 1));
}

/** Writes one line of a log: label, state, and what a reader cannot know from that. */
export function formatLogLine({ label, state, fraction, note, etaSeconds, logged = 'tenths' }: ProgressLine): string {
  const known =
    state === 'running' && logged === 'tenths'
      ? [
          `${Math.floor(fraction * 100)} %`,
          ...(note ? [note] : []),
          ...(etaSeconds === undefined ? [] : [`${formatDuration(etaSeconds)} left`]),
        ]
      : [state, ...(note && state !== 'running' && note !== state ? [note] : [])];
  return `${label}: ${known.join(', ')}`;
}

/**
 * Shows the progress of several tasks at once: bars that are redrawn in place on a terminal, and one plain line per change of
 * state or per tenth done elsewhere, so that logs stay readable.
 */
export class ProgressDisplay {
  readonly #lines = new Map<string, ProgressLine>();
  readonly #printed = new Map<string, string>();
  readonly #stream: NodeJS.WriteStream;
  #drawn = 0;
  #lastDraw = 0;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** Sets the line of one task and redraws, at most ten times a second. */
  update(key: string, line: ProgressLine): void {
    this.#lines.set(key, line);
    if (!this.#stream.isTTY) {
      this.#print(key, line);
      return;
    }
    const now = Date.now();
    if (line.state === 'running' && now - this.#lastDraw < 100) return;
    this.#draw(now);
  }

  /** Sets the line that stays below all others, such as that of the whole. */
  showLast(line: ProgressLine): void {
    this.#lines.delete(lastKey);
    this.update(lastKey, line);
  }

  /** Draws the last state and leaves it standing. */
  finish(): void {
    if (this.#stream.isTTY && this.#lines.size > 0) this.#draw(Date.now());
    this.#lines.clear();
    this.#printed.clear();
    this.#drawn = 0;
  }

  #draw(now: number): void {
    this.#lastDraw = now;
    const rows = Math.max(1, (this.#stream.rows ?? 24) - 1);
    const columns = this.#stream.columns ?? 100;
    const lines = [...this.#lines.values()].slice(-rows).map((line) => formatProgressLine(line, columns));
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '';
    this.#stream.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}`);
    this.#drawn = lines.length;
  }

  #print(key: string, line: ProgressLine): void {
    const stage = line.logged === 'states' ? line.state : `${line.state} ${Math.floor(line.fraction * 10)}`;
    if (this.#printed.get(key) === stage) return;
    this.#printed.set(key, stage);
    this.#stream.write(`${formatLogLine(line)}\n`);
  }
}
