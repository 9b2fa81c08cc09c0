import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ClientSecurity } from '@percept/contracts';
import { refuseInsecureHost, type ServerSecurity } from '@percept/platform';
import { createDashboardServer } from './dashboard-server.js';
import { type ChannelTiming, defaultTiming } from './event-channel.js';
import { type DashboardEndpoints, openGrpcReader } from './grpc-reader.js';
import { loadPage } from './page-files.js';

/** How the dashboard is started; port 0 takes any free port. */
export interface DashboardOptions {
  readonly endpoints: DashboardEndpoints;
  readonly host?: string;
  readonly port?: number;
  /** Who may use it, and over TLS or not; beyond loopback both TLS and tokens are needed unless insecurity is allowed. */
  readonly access?: ServerSecurity;
  /** How it shows the services who it is. Default: no TLS and no token. */
  readonly security?: ClientSecurity;
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

/** The built page in this package. */
export const builtPageFolder: string = fileURLToPath(new URL('../dist/page', import.meta.url));

function urlOf(scheme: string, host: string, port: number): string {
  return `${scheme}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}/`;
}

/**
 * Starts the dashboard as a client of the services at `endpoints`, on 127.0.0.1 unless told otherwise.
 * The services need not be there yet.
 * @throws InsecureListenError for a host other than loopback without TLS and tokens
 * @throws PageMissingError when the page has not been built
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { host = '127.0.0.1', port = 0, access = {}, pageFolder = builtPageFolder, pollMilliseconds = 1_000 } = options;
  refuseInsecureHost(host, access);
  const page = await loadPage(pageFolder);
  const reader = openGrpcReader(options.endpoints, options.security);
  const { server, close } = createDashboardServer({
    page,
    reader,
    tokens: access.tokens,
    tls: access.tls,
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
    url: urlOf(access.tls === undefined ? 'http' : 'https', host, bound),
    async close() {
      await close();
      reader.close();
    },
  };
}
