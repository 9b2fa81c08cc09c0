import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type EngineName, engineNames, selectEngine } from '@percept/tensor';
import { passes } from './comparison.js';
import { readGoldenVectors } from './golden-vectors.js';
import { groups } from './groups.js';

const usage = 'usage: npm run golden -- [DIR] [--engine native|cpu|tensorflow]';
const ownVectors = fileURLToPath(new URL('../vectors', import.meta.url));

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { engine: { type: 'string' } } });
  const engines = values.engine === undefined ? (['native', 'cpu'] as const) : [values.engine];
  const unknown = engines.find((engine) => !engineNames.some((name) => name === engine));
  if (positionals.length > 1 || unknown !== undefined) {
    console.error(usage);
    return 2;
  }
  const golden = readGoldenVectors(positionals[0] ?? ownVectors);
  let passed = 0;
  let failed = 0;
  for (const engine of engines) {
    const info = await selectEngine({ engine: engine as EngineName });
    console.log(
      `\n${info.name} ${info.version} (${info.path}, ${info.threads} threads), width ${golden.spec.width}, batch ${golden.batch}`,
    );
    for (const group of groups) {
      for (const comparison of await group.check(golden)) {
        const ok = passes(comparison);
        if (ok) passed++;
        else failed++;
        const verdict = ok ? 'ok    ' : 'FAILED';
        console.log(
          `  ${verdict} ${group.name.padEnd(18)} ${comparison.name.padEnd(42)} ${comparison.error.toExponential(1)} of ${comparison.tolerance.toExponential(0)}`,
        );
      }
    }
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(`golden: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  },
);
