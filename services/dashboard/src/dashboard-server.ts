import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { Scope, ServerTls, TokenTable } from '@percept/platform';
import { admit, requireSameOrigin } from './access.js';
import { type ChannelTiming, EventChannel } from './event-channel.js';
import { followJob } from './follow-job.js';
import { asHttpError, errorView, HttpError } from './http-error.js';
import { JobFeed } from './job-feed.js';
import type { PageFile } from './page-files.js';
import { readJobSelection, readPaging, readSequence } from './read-query.js';
import { selectJobs } from './select-jobs.js';
import type { OpenFile, ServiceReader } from './service-reader.js';

/** What the HTTP server of the dashboard is made of. */
export interface DashboardParts {
  readonly page: ReadonlyMap<string, PageFile>;
  readonly reader: ServiceReader;
  /** Tokens that are let in; without them only loopback names are. */
  readonly tokens: TokenTable | undefined;
  /** Default: no TLS. */
  readonly tls: ServerTls | undefined;
  readonly timing: ChannelTiming;
  readonly pollMilliseconds: number;
  readonly onError: (error: unknown) => void;
}

/** The HTTP server and the way to end it with all its streams. */
export interface DashboardServer {
  readonly server: Server;
  close(): Promise<void>;
}

const pageHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** Files of reports are shown without any script, whatever they contain. */
const artifactPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox allow-same-origin allow-downloads";

function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

function sendPageFile(response: ServerResponse, file: PageFile): void {
  response.writeHead(200, {
    'content-type': file.mediaType,
    'content-length': file.body.length,
    'cache-control': file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  response.end(file.body);
}

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpError(400, 'BAD_ADDRESS', 'The address is not valid percent-encoding.');
  }
}

function addressOf(request: IncomingMessage): URL {
  const target = request.url ?? '/';
  if (target.startsWith('/') && URL.canParse(`http://dashboard${target}`)) return new URL(`http://dashboard${target}`);
  throw new HttpError(400, 'BAD_ADDRESS', 'The address is not a path on this server.');
}

function requireMethod(request: IncomingMessage, method: 'GET' | 'POST'): void {
  if (request.method === method || (method === 'GET' && request.method === 'HEAD')) return;
  throw new HttpError(405, 'METHOD_NOT_ALLOWED', `This address takes ${method} only.`, { allow: method });
}

function scopeOf(request: IncomingMessage): Scope {
  return request.method === 'GET' || request.method === 'HEAD' ? 'dashboard:read' : 'dashboard:write';
}

/** Builds the dashboard's HTTP server; it does not listen yet. */
export function createDashboardServer(parts: DashboardParts): DashboardServer {
  const { reader, page, timing } = parts;
  const feed = new JobFeed(() => reader.listJobs(), parts.pollMilliseconds, parts.onError);
  const channels = new Set<EventChannel>();

  function openChannel(response: ServerResponse): EventChannel {
    const channel = new EventChannel(response, timing);
    channels.add(channel);
    channel.signal.addEventListener('abort', () => channels.delete(channel), { once: true });
    return channel;
  }

  async function serveEvents(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const lastEventId = request.headers['last-event-id'];
    const last =
      (Array.isArray(lastEventId) ? lastEventId[0] : lastEventId) ?? url.searchParams.get('after') ?? undefined;
    const id = url.searchParams.get('job');
    if (id === null) return feed.follow(openChannel(response), last, timing);
    const after = readSequence(last);
    await reader.getJob(id);
    await followJob(openChannel(response), (...watch) => reader.watchJob(...watch), id, after, timing);
  }

  async function sendFile(response: ServerResponse, file: OpenFile, name: string, download: boolean): Promise<void> {
    const fileName = encodeURIComponent(name.split('/').at(-1) ?? name);
    response.writeHead(200, {
      'content-type': file.mediaType,
      'content-security-policy': artifactPolicy,
      'cache-control': 'private, max-age=60',
      ...(file.bytes === null ? {} : { 'content-length': file.bytes }),
      ...(download ? { 'content-disposition': `attachment; filename*=UTF-8''${fileName}` } : {}),
    });
    await pipeline(file.chunks, response);
  }

  async function serveApi(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const [collection, id, ...rest] = url.pathname.slice('/api/'.length).split('/').map(decodeSegment);
    if (collection === 'jobs' && id !== undefined && rest[0] === 'cancel' && rest.length === 1) {
      requireMethod(request, 'POST');
      requireSameOrigin(request);
      return sendJson(response, await reader.cancelJob(id));
    }
    requireMethod(request, 'GET');
    if (collection === 'jobs' && id === undefined) {
      const { number, size } = readPaging(url.searchParams);
      const selection = readJobSelection(url.searchParams);
      const listings = await reader.listJobs();
      const services = listings.map((listing) => listing.service);
      const jobs = selectJobs(
        listings.flatMap((listing) => listing.jobs ?? []),
        selection,
        Date.now(),
      );
      const shown = jobs.slice((number - 1) * size, number * size);
      return sendJson(response, { jobs: shown, total: jobs.length, page: number, pageSize: size, services });
    }
    if (collection === 'jobs' && id !== undefined && rest.length === 0)
      return sendJson(response, await reader.getJob(id));
    if (collection === 'models' && id === undefined) return sendJson(response, { models: await reader.listModels() });
    if (collection === 'models' && id !== undefined && rest.length === 0) {
      return sendJson(response, await reader.getModel(id));
    }
    if (collection === 'models' && id !== undefined && rest.join('/') === 'files/weights.safetensors') {
      return sendFile(response, await reader.openModelWeights(id), `${id}.safetensors`, true);
    }
    if (collection === 'recipes' && id === undefined)
      return sendJson(response, { recipes: await reader.listRecipes() });
    if (collection === 'datasets' && id === undefined) {
      return sendJson(response, { datasets: await reader.listDatasets() });
    }
    if (collection === 'reports' && id !== undefined && rest.length === 0) {
      return sendJson(response, await reader.getReport(id));
    }
    if (collection === 'reports' && id !== undefined && rest[0] === 'files' && rest.length > 1) {
      const name = rest.slice(1).join('/');
      return sendFile(response, await reader.openReportFile(id, name), name, url.searchParams.has('download'));
    }
    throw new HttpError(404, 'NOT_FOUND', `There is nothing at ${url.pathname}.`);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
    const url = addressOf(request);
    if (url.pathname === '/healthz') return sendJson(response, { status: 'SERVING' });
    const admission = admit(request, url, parts.tokens, scopeOf(request));
    if (admission.kind === 'redirect') {
      response.writeHead(303, { location: admission.to, 'set-cookie': admission.cookie, 'cache-control': 'no-store' });
      response.end();
      return;
    }
    if (url.pathname === '/events') {
      requireMethod(request, 'GET');
      return serveEvents(request, response, url);
    }
    if (url.pathname.startsWith('/api/')) return serveApi(request, response, url);
    requireMethod(request, 'GET');
    const file = page.get(url.pathname);
    if (file === undefined) throw new HttpError(404, 'NOT_FOUND', `There is nothing at ${url.pathname}.`);
    sendPageFile(response, file);
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch((error: unknown) => {
      const shown = asHttpError(error);
      if (response.destroyed) return;
      if (shown.status === 500) parts.onError(error);
      if (response.headersSent) {
        response.destroy();
        return;
      }
      for (const [name, value] of Object.entries(shown.headers)) response.setHeader(name, value);
      sendJson(response, errorView(shown), shown.status);
    });
  };
  const { tls } = parts;
  const server: Server =
    tls === undefined ? createServer(listener) : createTlsServer({ cert: tls.certificate, key: tls.key }, listener);
  server.requestTimeout = 30_000;
  server.headersTimeout = 10_000;

  return {
    server,
    async close() {
      for (const channel of channels) channel.close();
      await feed.close();
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
