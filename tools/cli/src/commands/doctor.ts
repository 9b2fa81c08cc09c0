import type { Command } from 'commander';
import { type CheckResult, runChecks } from '../doctor/check.js';
import { diskCheck, engineCheck, nodeCheck, portCheck } from '../doctor/machine-checks.js';
import { securityChecks } from '../doctor/security-checks.js';
import { brokerCheck, clockCheck, storeCheck } from '../doctor/service-checks.js';
import { parseCount, print } from '../global-options.js';
import { defaultDataFolder, readEndpoints } from '../hosting/endpoints-file.js';

/** `percept doctor`: checks whatever Percept depends on, says what is wrong and what to do, and fails when something is. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check what Percept depends on, by the same environment variables as the services')
    .option('--data-folder <folder>', 'the data folder of `percept up`', defaultDataFolder)
    .option('--port <port>', 'gRPC port', parseCount, 50051)
    .option('--dashboard-port <port>', 'port of the dashboard', parseCount, 8080)
    .option('--json', 'print JSON for programs', false)
    .action(async (options) => {
      const { dataFolder, port, dashboardPort } = options;
      const running = (await readEndpoints(dataFolder)) !== undefined;
      const host = process.env['PERCEPT_HOST'] || '127.0.0.1';
      const results = await runChecks([
        nodeCheck(),
        engineCheck,
        diskCheck(dataFolder),
        ...securityChecks(process.env),
        storeCheck(process.env, dataFolder),
        brokerCheck(process.env),
        clockCheck(process.env),
        portCheck('port', host, port, running),
        portCheck('dashboard port', host, dashboardPort, running),
      ]);
      print(options, results, () => results.map(line).join('\n'));
      const failed = results.filter(({ state }) => state === 'failed').length;
      if (failed > 0) throw new Error(`${failed} of ${results.length} checks failed`);
    });
}

function line(result: CheckResult): string {
  const head = `${result.state.padEnd(8)} ${result.check.padEnd(15)} ${result.found}`;
  return result.state === 'ok' ? head : `${head}\n${' '.repeat(25)}-> ${result.advice}`;
}
