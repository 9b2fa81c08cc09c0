import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['@percept/source'] } },
  test: {
    include: ['tests/long/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 4 * 3_600_000,
    hookTimeout: 300_000,
  },
});
