import { loadSecurity, outboundConfig, readConfig, securityConfig } from '@percept/platform';
import { engineNames } from '@percept/tensor';
import { type Command, Option } from 'commander';
import { cores, parseCount } from '../global-options.js';
import { startDistributed } from '../hosting/distributed.js';
import { startEmbedded } from '../hosting/embedded.js';
import { defaultDataFolder } from '../hosting/endpoints-file.js';

/** `percept up`: starts the services and keeps them up until Ctrl-C. */
export function addUp(program: Command): void {
  program
    .command('up')
    .description('start every service, in one process or each in its own')
    .option(
      '--distributed',
      'each service and the attack workers as processes over nats-server and an S3 server',
      false,
    )
    .option('--data-folder <folder>', 'where jobs, models and reports are kept', defaultDataFolder)
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'gRPC port; 0: any free one (not with --distributed)', parseCount, 50051)
    .option('--dashboard-port <port>', 'port of the dashboard', parseCount, 8080)
    .option('--no-dashboard', 'without the dashboard')
    .addOption(new Option('--engine <engine>', 'the engine; default: native where it was built').choices(engineNames))
    .option('--workers <n>', 'compute workers per service', parseCount, 1)
    .option('--threads <n>', "threads of each worker's engine", parseCount, cores)
    .option('--attack-workers <n>', 'attack workers of their own (with --distributed)', parseCount, 1)
    .option('--evaluation-workers <n>', 'evaluation workers of their own (with --distributed)', parseCount, 0)
    .option('--training-workers <n>', 'training workers of their own (with --distributed)', parseCount, 0)
    .option('--log-level <level>', 'least serious level that is logged', 'warn')
    .action(async (options) => {
      const { outbound, ...secured } = readConfig({ ...securityConfig, ...outboundConfig }, process.env);
      const security = await loadSecurity(secured);
      const common = {
        security,
        dataFolder: options.dataFolder as string,
        host: options.host as string,
        workers: options.workers as number,
        threads: options.threads as number,
        dashboard: options.dashboard === false ? undefined : { port: options.dashboardPort as number },
        ...(options.engine ? { engine: options.engine } : {}),
      };
      const stopped = untilSignal();
      const running = options.distributed
        ? await startDistributed({
            ...common,
            attackWorkers: options.attackWorkers,
            evaluationWorkers: options.evaluationWorkers,
            trainingWorkers: options.trainingWorkers,
            logLevel: options.logLevel,
          })
        : await startEmbedded({ ...common, outbound, port: options.port, logLevel: options.logLevel });
      const addresses = Object.entries({ ...running.endpoints, inference: running.inference });
      const single = new Set(Object.values(running.endpoints)).size === 1;
      process.stdout.write(
        `${single ? `services   ${running.endpoints.attack}` : addresses.map(([name, address]) => `${name.padEnd(10)} ${address}`).join('\n')}\n`,
      );
      if (running.dashboard) process.stdout.write(`dashboard  ${running.dashboard}\n`);
      process.stdout.write('Ctrl-C ends them; unfinished jobs go on at the next start.\n');
      try {
        await ('failed' in running ? Promise.race([stopped, running.failed]) : stopped);
      } finally {
        await running.close();
      }
    });
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => {
        signals++;
        if (signals > 1) process.exit(130);
        process.stderr.write('ending: running jobs hand back their work\n');
        resolve();
      });
    }
  });
}
