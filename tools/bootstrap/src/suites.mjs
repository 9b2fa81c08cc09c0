import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runCommand } from './run-command.mjs';
import { root } from './setup.mjs';
import { parseClosingLine, parseVitestReport } from './totals.mjs';

const check = (name, program, args) => ({ name, kind: 'check', program, args });
const counted = (name, program, args) => ({ name, kind: 'counted', program, args });
const vitest = (name, args) => ({ name, kind: 'vitest', args });
const node = process.execPath;

/** The fast tier: `npm test`. */
export const fastSuites = [
  check('lint', 'npx', ['biome', 'check', '.']),
  check('boundaries', node, ['tools/bootstrap/src/check-boundaries.mjs']),
  check('types of the tests', 'npx', ['tsc', '-p', 'tsconfig.test.json']),
  vitest('tests', []),
];

/** The full tier: `npm run test:full`. */
export const fullSuites = [
  check('contracts lint', 'npx', ['buf', 'lint']),
  check('generated code is fresh', 'npm', ['run', 'check:generated', '-w', '@percept/contracts']),
  counted('convolution kernels', node, ['libs/engine-native/scripts/test-native.mjs']),
  counted('conformance', node, ['tools/conformance/dist/main.js']),
  counted('golden', node, ['tools/golden/dist/main.js']),
  vitest('full tests', ['--config', 'vitest.full.config.ts']),
];

async function runVitest(args) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'percept-tests-'));
  const report = path.join(folder, 'report.json');
  try {
    const { code } = await runCommand(
      'npx',
      ['vitest', 'run', ...args, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      { cwd: root },
    );
    const totals = parseVitestReport(readFileSync(report, 'utf8'));
    return code !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs one suite and resolves with its totals; a suite that ends without a closing line, or badly, counts as failed. */
export async function runSuite(suite) {
  if (suite.kind === 'vitest') return runVitest(suite.args);
  const { code, output } = await runCommand(suite.program, suite.args, { cwd: root });
  if (suite.kind === 'check') return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  const totals = parseClosingLine(output) ?? { passed: 0, failed: 1, skipped: 0 };
  return code !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals;
}
