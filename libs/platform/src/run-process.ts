import { ConfigError, type ConfigTable, configHelp, type Environment, readConfig } from './config-table.js';
import { createLogger, type Logger, type LogLevel } from './logger.js';
import { type Closable, InsecureListenError } from './start-service.js';

/** What a process is. */
export interface ProcessOptions<Config> {
  /** Name in logs. */
  readonly name: string;
  /** First line of `--help`. */
  readonly title: string;
  readonly config: ConfigTable<Config>;
  /** Starts everything; what it returns is closed at the end. */
  start(config: Config, log: Logger): Promise<Closable>;
  /** Default: the arguments of this process. */
  readonly args?: readonly string[];
  /** Default: the environment of this process. */
  readonly environment?: Environment;
}

/**
 * Is the `main` of a service: reads its configuration, starts it, and closes it on SIGTERM or SIGINT. `--help` prints the
 * configuration. Sets the exit code: 0 after a clean end, 1 after a failure, 2 for wrong configuration; a second signal ends
 * the process at once. Where the process that started it keeps a channel to it, it ends (code 1) when that process is gone.
 */
export async function runProcess<Config extends { readonly logLevel?: LogLevel }>(
  options: ProcessOptions<Config>,
): Promise<void> {
  const args = options.args ?? process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(configHelp(options.title, options.config));
    return;
  }
  let config: Config;
  try {
    config = readConfig(options.config, options.environment ?? process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
    return;
  }
  const log = createLogger(options.name, config.logLevel === undefined ? {} : { level: config.logLevel });
  const die = (error: unknown): void => {
    log.fatal({ err: error }, 'the process cannot go on');
    process.exit(1);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  endWithParent(log);
  const signalled = firstSignal(log);
  try {
    const running = await options.start(config, log);
    await signalled;
    await running.close();
  } catch (error) {
    if (error instanceof ConfigError || error instanceof InsecureListenError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 2;
    } else {
      log.fatal({ err: error }, 'failed');
      process.exitCode = 1;
    }
  }
  // Whatever still keeps the process alive is a leak, and no reason to keep a supervisor waiting.
  setTimeout(() => {
    log.warn('something kept the process alive');
    process.exit();
  }, 2_000).unref();
}

/** At once, as in a crash: the broker and the store that draining needs may be gone with the parent. */
function endWithParent(log: Logger): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => {
    log.fatal('the process that started this one is gone');
    process.exit(1);
  });
  // Listening keeps a process alive; the channel alone is no reason to be.
  process.channel.unref();
}

function firstSignal(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, () => {
        signals += 1;
        if (signals > 1) process.exit(1);
        log.info({ signal: name }, 'draining');
        resolve();
      });
    }
  });
}
