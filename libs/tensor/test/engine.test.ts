import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { EngineUnavailableError, selectEngine } from '../src/index.js';

describe('selectEngine', () => {
  test('takes the engine that was asked for, as often as asked', async () => {
    for (const engine of ['cpu', 'native', 'cpu', 'native'] as const) {
      const info = await selectEngine({ engine, threads: 1 });
      expect(info).toMatchObject({ name: engine, threads: 1 });
      expect(tf.getBackend()).toBe(engine);
      expect(tf.tidy(() => tf.add(1, 2).dataSync()[0])).toBe(3);
    }
  });

  test('prefers the native engine', async () => {
    const info = await selectEngine();
    expect(info.name).toBe('native');
    expect(info.path).toMatch(/^(avx512|avx2|portable)$/);
    expect(info.warning).toBeUndefined();
  });

  test('fails rather than fall back when the engine asked for is not installed', async () => {
    const installed = await import('@tensorflow/tfjs-node' as string).then(
      () => true,
      () => false,
    );
    if (installed) return;
    await expect(selectEngine({ engine: 'tensorflow' })).rejects.toBeInstanceOf(EngineUnavailableError);
  });

  test.each([0, -1, 1.5, Number.NaN])('refuses %s threads', async (threads) => {
    await expect(selectEngine({ threads })).rejects.toBeInstanceOf(RangeError);
  });
});
