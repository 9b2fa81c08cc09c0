import { availableParallelism } from 'node:os';
import type { ClientSecurity } from '@percept/contracts';
import type { Endpoints } from '@percept/gateways';
import { sharedEndpoint } from '@percept/gateways';
import { clientSecurityConfig, loadClientSecurity, readConfig } from '@percept/platform';
import type { Command } from 'commander';
import { UsageError } from './exit-code.js';
import { defaultDataFolder, readEndpoints } from './hosting/endpoints-file.js';
import { type PerceptClient, perceptClient } from './percept-client.js';

/** Options of every command that talks to services. */
export interface ClientOptions {
  readonly address?: string;
  readonly dataFolder: string;
  readonly token?: string;
  readonly json: boolean;
}

/** Adds the options of every command that talks to services. */
export function withClientOptions(command: Command): Command {
  return command
    .option(
      '--address <host:port>',
      'where the services listen; default: those that `percept up` started in the data folder',
    )
    .option('--data-folder <folder>', 'the data folder of `percept up`', defaultDataFolder)
    .option('--token <token>', 'bearer token for the services; better given as PERCEPT_TOKEN')
    .option('--json', 'print JSON for programs', false);
}

/** Where the services are that a command shall talk to. @throws UsageError when nobody said. */
export async function endpointsOf(options: ClientOptions): Promise<Endpoints> {
  if (options.address !== undefined) return sharedEndpoint(options.address);
  const running = await readEndpoints(options.dataFolder);
  if (running === undefined) {
    throw new UsageError(
      `no services were started in ${options.dataFolder}; start them with: percept up, or give --address`,
    );
  }
  return running.endpoints;
}

/** How the command shows services who it is: by the variables of `clientSecurityConfig` and `--token`. @throws ConfigError. */
export async function securityOf(options: Pick<ClientOptions, 'token'>): Promise<ClientSecurity> {
  const given = options.token === undefined ? {} : { [clientSecurityConfig.token.env]: options.token };
  return await loadClientSecurity(readConfig(clientSecurityConfig, { ...process.env, ...given }));
}

/** Runs `work` with a client and a signal that fires on Ctrl-C, and closes the client. */
export async function withClient<Result>(
  options: ClientOptions,
  work: (client: PerceptClient, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const client = perceptClient(await endpointsOf(options), await securityOf(options));
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  try {
    return await work(client, interrupted.signal);
  } finally {
    process.off('SIGINT', interrupt);
    client.close();
  }
}

/** Writes an answer: JSON for programs (Infinity and NaN as strings), text for people. */
export function print(options: { readonly json: boolean }, value: unknown, text: () => string): void {
  if (!options.json) {
    process.stdout.write(`${text()}\n`);
    return;
  }
  const plain = (_key: string, item: unknown): unknown => {
    if (typeof item === 'number' && !Number.isFinite(item)) return String(item);
    return item instanceof Uint8Array ? Buffer.from(item).toString('base64') : item;
  };
  process.stdout.write(`${JSON.stringify(value, plain, 2)}\n`);
}

/** A number of the command line; `inf` and `Infinity` are numbers too, and so are fractions such as `8/255`. @throws UsageError. */
export function parseNumber(text: string): number {
  if (/^(inf|infinity)$/i.test(text)) return Number.POSITIVE_INFINITY;
  const fraction = /^([0-9.]+)\/([0-9.]+)$/.exec(text);
  const value = fraction ? Number(fraction[1]) / Number(fraction[2]) : Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new UsageError(`"${text}" is no number`);
  return value;
}

/** A whole number of the command line, at least 0. @throws UsageError. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new UsageError(`"${text}" is no whole number`);
  return value;
}

/** Numbers separated by commas. @throws UsageError. */
export function parseCounts(text: string): number[] {
  return text.split(',').map(parseCount);
}

/** Cores that the engine may use. */
export const cores: number = availableParallelism();
