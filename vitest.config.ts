import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['@percept/source'] } },
  test: {
    include: ['{libs,services,tools}/*/test/**/*.test.ts', 'tests/fast/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
