import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { isLoopback } from './access.js';
import { createDashboardServer } from './dashboard-server.js';
import { type ChannelTiming, defaultTiming } from './event-channel.js';
import { type DashboardEndpoints, openGrpcReader } from './grpc-reader.js';
import { loadPage } from './page-files.js';

/** How the dashboard is started; port 0 takes any free port. */
export interface DashboardOptions {
  readonly endpoints: DashboardEndpoints;
  readonly host?: string;
  readonly port?: number;
  /** Needed to bind to anything but loopback; then every request must bring it. */
  readonly token?: string;
  readonly pageFolder?: string;
  readonly timing?: Partial<ChannelTiming>;
  /** Time between two looks at the services' jobs, in milliseconds. */
  readonly pollMilliseconds?: number;
  readonly onError?: (error: unknown) => void;
}

/** A running dashboard. */
export interface Dashboard {
  readonly host: string;
  readonly port: number;
  /** Address to open in a browser, without the token. */
  readonly url: string;
  close(): Promise<void>;
}

/** The dashboard was asked to be reachable from elsewhere without a token. */
export class TokenRequiredError extends Error {
  override readonly name = 'TokenRequiredError';
}

/** The built page in this package. */
export const builtPageFolder: string = fileURLToPath(new URL('../dist/page', import.meta.url));

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}/`;
}

/**
 * Starts the dashboard as a client of the services at `endpoints`, on 127.0.0.1 unless told otherwise.
 * The services need not be there yet.
 * @throws TokenRequiredError for a host other than loopback without a token
 * @throws PageMissingError when the page has not been built
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { host = '127.0.0.1', port = 0, token, pageFolder = builtPageFolder, pollMilliseconds = 1_000 } = options;
  const secret = token === '' ? undefined : token;
  if (!isLoopback(host) && secret === undefined) {
    throw new TokenRequiredError(`The dashboard needs a token to be bound to ${host}; without one it takes 127.0.0.1.`);
  }
  const page = await loadPage(pageFolder);
  const reader = openGrpcReader(options.endpoints);
  const { server, close } = createDashboardServer({
    page,
    reader,
    token: secret,
    timing: { ...defaultTiming, ...options.timing },
    pollMilliseconds,
    onError: options.onError ?? ((error) => console.error(error)),
  });
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    reader.close();
    throw error;
  }
  const bound = (server.address() as AddressInfo).port;
  return {
    host,
    port: bound,
    url: urlOf(host, bound),
    async close() {
      await close();
      reader.close();
    },
  };
}
