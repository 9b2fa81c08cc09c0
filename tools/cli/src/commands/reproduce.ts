import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { engineNames } from '@percept/tensor';
import { type Command, Option } from 'commander';
import { type ClientOptions, cores, endpointsOf, parseCount, print, securityOf } from '../global-options.js';
import { type Embedded, startEmbedded } from '../hosting/embedded.js';
import { perceptClient } from '../percept-client.js';
import { formatDuration } from '../progress-display.js';
import { type ReproducePreset, reproducePresets } from '../reproduce-presets.js';
import { formatSummary, type ReportSummary } from '../reproduce-summary.js';
import { Reproduction } from '../reproduction.js';

/** `percept reproduce`: the paper's whole experiment, from training to report, over the services. */
export function addReproduce(program: Command): void {
  program
    .command('reproduce')
    .description("train all nine recipes, attack and measure them, and write the report with the paper's figures")
    .addOption(
      new Option('--preset <name>', 'the size of the experiment')
        .choices(reproducePresets.map(({ name }) => name))
        .default('quickstart'),
    )
    .option('--address <host:port>', 'use services that are up; default: start them in this process')
    .option('--data-folder <folder>', 'where jobs, models and reports are kept; default: .percept/<preset>')
    .option('--out <folder>', 'where the report goes; default: percept-report/<preset>')
    .option('--seed <n>', 'seed of everything random', parseCount, 0)
    .option('--fresh', 'train again, although this experiment was done before in this data folder', false)
    .option('--dashboard', 'show the dashboard, and keep the services up at the end', false)
    .option('--dashboard-port <port>', 'port of the dashboard', parseCount, 8080)
    .option('--workers <n>', 'compute workers', parseCount, cores)
    .option('--threads <n>', "threads of each worker's engine", parseCount, 1)
    .addOption(new Option('--engine <engine>', 'the engine; default: native where it was built').choices(engineNames))
    .option('--json', 'print JSON for programs', false)
    .action(async (options) => {
      const preset = reproducePresets.find(({ name }) => name === options.preset) as ReproducePreset;
      const dataFolder: string = options.dataFolder ?? path.join('.percept', preset.name);
      const started = Date.now();
      const interrupted = new AbortController();
      process.once('SIGINT', () => {
        process.stderr.write('ending; the same command goes on from here\n');
        interrupted.abort();
      });
      const embedded: Embedded | undefined =
        options.address === undefined
          ? await startEmbedded({
              dataFolder,
              host: '127.0.0.1',
              port: 0,
              workers: options.workers,
              threads: options.threads,
              dashboard: options.dashboard ? { port: options.dashboardPort } : undefined,
              logLevel: 'error',
              ...(options.engine ? { engine: options.engine } : {}),
            })
          : undefined;
      const endpoints = embedded?.endpoints ?? (await endpointsOf(options as ClientOptions));
      const client = perceptClient(endpoints, embedded ? {} : await securityOf({}));
      try {
        process.stderr.write(
          `services at ${endpoints.attack}${embedded?.dashboard ? `, dashboard at ${embedded.dashboard}` : ''}\n`,
        );
        const run = new Reproduction(
          client,
          preset,
          options.seed,
          options.fresh ? `-${Date.now()}` : '',
          interrupted.signal,
        );
        const out: string = options.out ?? path.join('percept-report', preset.name);
        const page = await run.run(out);
        const report = JSON.parse(await readFile(path.join(out, 'report.json'), 'utf8')) as ReportSummary;
        print(
          options,
          { page, report },
          () =>
            `${formatSummary(report)}\n\nreport with figures: ${path.resolve(page)}\ntime: ${formatDuration((Date.now() - started) / 1000)}`,
        );
        if (embedded?.dashboard) {
          process.stderr.write(`dashboard at ${embedded.dashboard}; Ctrl-C ends it\n`);
          await new Promise<void>((resolve) =>
            interrupted.signal.addEventListener('abort', () => resolve(), { once: true }),
          );
        }
      } catch (error) {
        // What breaks once the user has ended it follows from the end.
        interrupted.signal.throwIfAborted();
        throw error;
      } finally {
        client.close();
        await embedded?.close();
      }
    });
}
