import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { findBackend } from '@tensorflow/tfjs-core';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util.js';
import Jasmine from 'jasmine';

// Bundled with TF.js core's own test files, which no published entry point exposes, and run by main.ts in a process of its own.
// The bundle's copy of TF.js core and the one that the engine imports share their registries: both live on the process's global object.

/** Functions of the addon that TF.js core's suite must have reached, so that a silent fallback to JavaScript cannot pass. */
const mustRun = ['unary', 'binary', 'fill', 'copyStrided', 'reduce', 'matmul', 'softmax', 'batchNormInference'];
const convolutions = ['convolution', 'convolutionInputGrad', 'convolutionFilterGrad'];

/** Wraps the addon's functions so that each call is counted. */
function countCalls(addon: Record<string, unknown>): Map<string, number> {
  const calls = new Map<string, number>();
  for (const [name, value] of Object.entries(addon)) {
    if (typeof value !== 'function') continue;
    calls.set(name, 0);
    addon[name] = (...args: unknown[]): unknown => {
      calls.set(name, (calls.get(name) as number) + 1);
      return value(...args);
    };
  }
  return calls;
}

async function registerEngine(gradients: string): Promise<string> {
  if (gradients === 'corrected') {
    const { selectEngine } = await import('@percept/tensor');
    const info = await selectEngine({ engine: 'native' });
    return `${info.path}, ${info.threads} threads`;
  }
  const { registerNativeBackend } = await import('@percept/engine-native');
  return registerNativeBackend({ threads: 2 }).path;
}

async function run(gradients: string): Promise<boolean> {
  const path = await registerEngine(gradients);
  const backend = findBackend('native') as unknown as { addon: Record<string, unknown> };
  const calls = countCalls(backend.addon);
  const runner = new Jasmine();
  runner.loadConfig({ spec_files: [], random: false });
  runner.exitOnCompletion = false;
  runner.clearReporters();
  setTestEnvs([{ name: 'test-native', backendName: 'native', flags: {}, isDataSync: true }]);
  // It defines the specs while it loads, so it must come after the environments are set.
  await import('@tensorflow/tfjs-core/dist/tests.js');
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  runner.addReporter({
    specDone: ({ status, fullName, failedExpectations }) => {
      if (status === 'passed') passed++;
      else if (status === 'failed') {
        failed++;
        console.error(`FAILED ${fullName}\n  ${failedExpectations.map(({ message }) => message).join('\n  ')}`);
      } else skipped++;
    },
  });
  await runner.execute();
  const idle = [...mustRun, ...convolutions].filter((name) => (calls.get(name) ?? 0) === 0);
  const total = [...calls.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `${gradients} gradients (${path}): ${passed} specs passed, ${failed} failed, ${skipped} skipped; ${total} calls into the addon`,
  );
  if (idle.length > 0) console.error(`never called: ${idle.join(', ')}`);
  process.send?.({ passed, failed: failed + idle.length, skipped });
  return failed + idle.length === 0;
}

run(process.argv[2] ?? 'stock').then(
  (ok) => {
    process.exitCode = ok ? 0 : 1;
  },
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
