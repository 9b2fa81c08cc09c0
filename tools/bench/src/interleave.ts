import type { Contender } from './contender.js';
import { type Summary, summarise } from './summary.js';

/** Seconds that one timed turn should last at least; short steps are repeated within a turn. */
const turnSeconds = 0.3;

/** A contender's timings. */
export interface Timing {
  readonly label: string;
  readonly secondsPerStep: Summary;
  readonly rounds: readonly number[];
}

/**
 * Times all contenders turn by turn (A B C A B C ...), so that whatever slows the machine down hits all alike. Two untimed turns each come
 * first; the second decides how many steps a turn has.
 */
export async function interleave(contenders: readonly Contender[], rounds: number): Promise<Timing[]> {
  const steps: number[] = [];
  for (const contender of contenders) {
    await contender.run(1);
    const seconds = await contender.run(1);
    steps.push(Math.max(1, Math.ceil(turnSeconds / seconds)));
  }
  const timings = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const count = steps[i] as number;
      timings[i]?.push((await contender.run(count)) / count);
    }
  }
  return contenders.map(({ label }, i) => {
    const own = timings[i] as number[];
    return { label, secondsPerStep: summarise(own), rounds: own };
  });
}
