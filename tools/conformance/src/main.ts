import { fork } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Fewer specs than this mean that the suite was not bundled whole. */
const fewestSpecs = 4200;

interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const folder = fileURLToPath(new URL('..', import.meta.url));
const bundle = path.join(folder, 'dist', 'suite-bundle.cjs');

async function bundleSuite(): Promise<void> {
  await build({
    entryPoints: [path.join(folder, 'dist', 'suite.js')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    mainFields: ['module', 'main'],
    external: ['jasmine', 'jasmine-core', '@percept/*'],
    // TF.js core calls its test files free of side effects, and so they would all be dropped.
    ignoreAnnotations: true,
    logLevel: 'error',
  });
}

function runSuite(gradients: 'stock' | 'corrected'): Promise<Totals> {
  return new Promise((resolve, reject) => {
    let totals: Totals | undefined;
    const child = fork(bundle, [gradients], { cwd: folder });
    child.on('message', (message) => {
      totals = message as Totals;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (totals === undefined) reject(new Error(`the suite ended with status ${code} before its totals`));
      else resolve(totals);
    });
  });
}

async function main(): Promise<number> {
  await bundleSuite();
  let passed = 0;
  let failed = 0;
  for (const gradients of ['stock', 'corrected'] as const) {
    const totals = await runSuite(gradients);
    const specs = totals.passed + totals.failed + totals.skipped;
    if (specs < fewestSpecs) {
      console.error(`only ${specs} specs ran with ${gradients} gradients; at least ${fewestSpecs} belong to the suite`);
      failed++;
    }
    passed += totals.passed;
    failed += totals.failed;
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(error);
    console.log('0 passed, 1 failed');
    process.exitCode = 1;
  },
);
