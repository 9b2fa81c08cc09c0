import { runInForeground } from './run-command.mjs';
import { root, SetupError, setup } from './setup.mjs';
import { fastSuites, fullSuites, runSuite } from './suites.mjs';
import { ensureSystemParts, fullTestParts, testParts } from './system-packages.mjs';
import { installTestTools } from './test-tools.mjs';
import { addTotals, closingLine } from './totals.mjs';

const usage =
  'usage: node tools/bootstrap/src/main.mjs setup | quickstart [OPTIONS] | test [VITEST FILTERS] | test:full';

async function runSuites(suites) {
  const totals = [];
  for (const suite of suites) {
    console.log(`\n== ${suite.name}`);
    const started = Date.now();
    const total = await runSuite(suite);
    totals.push(total);
    console.log(`== ${suite.name}: ${closingLine(total)} (${((Date.now() - started) / 1000).toFixed(0)} s)`);
  }
  const sum = addTotals(totals);
  console.log(`\n${closingLine(sum)}`);
  return sum.failed === 0 ? 0 : 1;
}

async function main([command, ...args]) {
  const log = (message) => console.error(`percept: ${message}`);
  switch (command) {
    case 'setup':
      await setup();
      return 0;
    case 'quickstart':
      await setup();
      return runInForeground(
        process.execPath,
        ['tools/cli/bin/percept.js', 'reproduce', '--preset', 'quickstart', ...args],
        { cwd: root },
      );
    case 'test':
      await setup();
      await ensureSystemParts(testParts, { log });
      if (args.length > 0) return runInForeground('npx', ['vitest', 'run', ...args], { cwd: root });
      return runSuites(fastSuites);
    case 'test:full':
      await setup();
      await ensureSystemParts([...testParts, ...fullTestParts], { log });
      await installTestTools({ log });
      return runSuites(fullSuites);
    default:
      console.error(usage);
      return 2;
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(`percept: ${error instanceof SetupError ? error.message : error.stack}`);
    process.exitCode = 1;
  },
);
