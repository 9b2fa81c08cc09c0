import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_MS = 100;
const LARGEST_MS = 5_000;

/** Waits 100 ms, 200 ms, ... up to 5 s (less up to half by chance) for the attempts 1, 2, ...; returns early when the signal fires. */
export async function backOff(attempt: number, signal: AbortSignal): Promise<void> {
  const ceiling = Math.min(LARGEST_MS, FIRST_MS * 2 ** (attempt - 1));
  const delay = ceiling * (0.5 + Math.random() / 2);
  // Aborting is the caller's reason to stop, which it checks itself.
  await sleep(delay, undefined, { signal }).catch(() => undefined);
}
