import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { finiteScores, type Scorer } from './scorer.js';

/** Lets messages of other threads arrive (a cancellation among them), then stops if told to. */
export async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await yieldToEventLoop();
  signal?.throwIfAborted();
}

/**
 * Scores `rows` at most `batchSize` at a time; `visit` sees each batch's count x classes scores and which row is its first.
 * Throws NonFiniteLogitsError, the scorer's errors, or the signal's reason between batches.
 */
export async function scoreInBatches(
  scorer: Scorer,
  rows: readonly Float32Array[],
  batchSize: number,
  signal: AbortSignal | undefined,
  visit: (scores: Float32Array, first: number) => void,
): Promise<void> {
  for (let first = 0; first < rows.length; first += batchSize) {
    await breathe(signal);
    visit(await finiteScores(scorer, rows.slice(first, first + batchSize)), first);
  }
}
