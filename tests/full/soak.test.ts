import { describe, expect, it } from 'vitest';
import { soak } from './support/soak.js';

/** Longer by PERCEPT_SOAK_SECONDS. */
const seconds = Number(process.env['PERCEPT_SOAK_SECONDS'] ?? 300);

/** A third of the time warms up caches; what a process gains after that, beyond this, is a leak. */
const settledShare = 1.25;
const settledMiB = 96;
const settledHandles = 8;

describe.skipIf(process.platform !== 'linux')(`${seconds} s of mixed work in the distributed form`, () => {
  it(
    'leave every process with the memory, the handles and the consumers that it had',
    async () => {
      const { early, late, ...work } = await soak(seconds);
      console.info(JSON.stringify({ ...work, early, late }));
      expect(work.rounds).toBeGreaterThan(1);
      for (const [service, before] of Object.entries(early.rss))
        expect({ service, rss: late.rss[service] }).toSatisfy(
          ({ rss = Number.POSITIVE_INFINITY }) => rss <= before * settledShare + settledMiB,
        );
      for (const [service, before] of Object.entries(early.handles))
        expect({ service, handles: late.handles[service] }).toSatisfy(
          ({ handles = Number.POSITIVE_INFINITY }) => handles <= before + settledHandles,
        );
      expect(late.eventConsumers).toBeLessThanOrEqual(early.eventConsumers + 1);
    },
    (seconds + 300) * 1_000,
  );
});
