import { describe, expect, it, onTestFinished } from 'vitest';
import { perceptClient } from '../../../tools/cli/src/percept-client.js';
import { callFuzz } from './call-fuzz.js';
import { startServices } from './services.js';
import { smallestTargeted, smallTraining, train } from './small-jobs.js';

/** Growth of the process that holds all services, over all messages, that is no leak. */
const largestGrowthBytes = 1.5 * 1024 ** 3;

/** Sends so many wrong messages over gRPC to every call; the same for the same seed. */
export function callFuzzSuite(messages: number, seed: number): void {
  describe(`${messages} wrong messages of seed ${seed} over gRPC`, () => {
    it('are answered by the right code in time, and the services go on', async () => {
      const { endpoints, inference, close } = await startServices('embedded');
      onTestFinished(close);
      const client = perceptClient(endpoints);
      onTestFinished(() => client.close());
      await train(client, smallTraining({ registerAs: 'suite', epochs: 1, trainLimit: 200 }));
      const { wrong, ...fuzz } = await callFuzz({ ...endpoints, inference }, { messages, seed, model: 'suite' });
      console.info(JSON.stringify(fuzz));
      expect(wrong).toEqual([]);
      expect(fuzz.codes['OK']).toBeGreaterThan(messages / 50);
      expect(fuzz.codes['INVALID_ARGUMENT']).toBeGreaterThan(messages / 10);
      expect(fuzz.memoryGrowth).toBeLessThan(largestGrowthBytes);
      const { result } = await client.attack.targeted(smallestTargeted('suite'));
      expect(result?.outcomes).toHaveLength(1);
    });
  });
}
