import { randomUUID } from 'node:crypto';
import {
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  type ClientWritableStream,
  type CallOptions as GrpcCallOptions,
  credentials as grpcCredentials,
  Metadata,
} from '@grpc/grpc-js';
import { serviceConfig } from './idempotent-calls.js';
import { PerceptRpcError } from './percept-rpc-error.js';
import type { AnyMethod, RequestOf, ResponseOf, ServiceShape } from './service-definition.js';

/** Largest message either side sends or takes, in bytes. */
export const maxMessageBytes: number = 64 * 1024 * 1024;

/** Time that a call without a deadline gets, in milliseconds. */
export const defaultTimeoutMs = 60_000;

/** How a client speaks TLS; all texts are PEM. */
export interface ClientTls {
  /** Certificates of the authorities that servers are believed by. Default: those of the system. */
  readonly authorities?: string;
  /** This client's own certificate and key, for servers that ask for one. */
  readonly identity?: { readonly certificate: string; readonly key: string };
  /** Name that the server's certificate must have. Default: that of its address. */
  readonly serverName?: string;
}

/** How a client shows who it is. Plain data, so that it can go to a worker thread. */
export interface ClientSecurity {
  /** Default: no TLS. */
  readonly tls?: ClientTls;
  /** Bearer token sent with every call. */
  readonly token?: string;
}

/** Settings of a connection. */
export interface ConnectOptions extends ClientSecurity {
  /** Deadline of calls with a single response that name none, in milliseconds. Default 60,000. Streams have none unless told. */
  readonly timeoutMs?: number;
  /** The W3C trace context that a call belongs to which names none. */
  readonly traceparent?: () => string | undefined;
}

/** Settings of one call. The context of a server's handler is one too: handing it on passes deadline, cancellation and trace downstream. */
export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** Latest time of the answer; wins over `timeoutMs`. */
  readonly deadline?: Date | undefined;
  /** Time for the call in milliseconds; Infinity for none. */
  readonly timeoutMs?: number | undefined;
  /** W3C trace context that the call belongs to. */
  readonly traceparent?: string | undefined;
}

type Caller<Method> = Method extends { requestStream: false; responseStream: false }
  ? (request: RequestOf<Method>, options?: CallOptions) => Promise<ResponseOf<Method>>
  : Method extends { requestStream: false; responseStream: true }
    ? (request: RequestOf<Method>, options?: CallOptions) => AsyncGenerator<ResponseOf<Method>, void, undefined>
    : Method extends { requestStream: true; responseStream: false }
      ? (
          requests: AsyncIterable<RequestOf<Method>> | Iterable<RequestOf<Method>>,
          options?: CallOptions,
        ) => Promise<ResponseOf<Method>>
      : never;

/** A service's calls: promises for single responses, async iterables for streams. All throw PerceptRpcError. */
export type ServiceCalls<Service extends ServiceShape> = { readonly [Name in keyof Service]: Caller<Service[Name]> };

/** A client that owns its connection. */
export type ServiceClient<Service extends ServiceShape> = ServiceCalls<Service> & { close(): void };

/** A connection to one address, for any number of services. */
export interface Connection {
  calls<Service extends ServiceShape>(service: Service): ServiceCalls<Service>;
  /** Cancels what is under way and releases the connection. */
  close(): void;
}

/** Opens a connection to `target`, HOST:PORT or any gRPC target such as `dns:///HOST:PORT`; it connects at the first call. */
export function connect(target: string, options: ConnectOptions = {}): Connection {
  const client = new Client(target, channelCredentials(options.tls), {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    // Otherwise a request above 1 MiB is never sent again.
    'grpc.per_rpc_retry_buffer_size': maxMessageBytes,
    'grpc.retry_buffer_size': 4 * maxMessageBytes,
    'grpc.service_config': serviceConfig(),
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 15_000,
    ...(options.tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': options.tls.serverName }),
  });
  return {
    calls: (service) => serviceCalls(client, service, options),
    close: () => client.close(),
  };
}

function channelCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return grpcCredentials.createInsecure();
  const bytes = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem));
  return grpcCredentials.createSsl(bytes(tls.authorities), bytes(tls.identity?.key), bytes(tls.identity?.certificate));
}

/** Opens a connection for a single service. Mutating requests without a `requestId` get a random one, so that retries are safe. */
export function createClient<Service extends ServiceShape>(
  service: Service,
  target: string,
  options: ConnectOptions = {},
): ServiceClient<Service> {
  const connection = connect(target, options);
  return { ...connection.calls(service), close: () => connection.close() };
}

function serviceCalls<Service extends ServiceShape>(
  client: Client,
  service: Service,
  options: ConnectOptions,
): ServiceCalls<Service> {
  const callers = Object.entries(service).map(([name, method]) => [name, caller(client, method, options)] as const);
  return Object.fromEntries(callers) as ServiceCalls<Service>;
}

function caller(client: Client, method: AnyMethod, options: ConnectOptions): unknown {
  if (method.requestStream && method.responseStream) {
    return () => {
      throw new PerceptRpcError('UNIMPLEMENTED', `${method.path}: calls that stream both ways are not supported`);
    };
  }
  if (method.requestStream) {
    return (requests: AsyncIterable<unknown> | Iterable<unknown>, call: CallOptions = {}) =>
      clientStreamCall(client, method, requests, options, call);
  }
  if (method.responseStream) {
    return (request: unknown, call: CallOptions = {}) => serverStreamCall(client, method, request, options, call);
  }
  return (request: unknown, call: CallOptions = {}) => unaryCall(client, method, request, options, call);
}

function unaryCall(
  client: Client,
  method: AnyMethod,
  request: unknown,
  options: ConnectOptions,
  call: CallOptions,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (call.signal?.aborted) return reject(cancelled());
    const handle = client.makeUnaryRequest(
      method.path,
      serializerOf(method),
      method.responseDeserialize,
      withRequestId(request),
      metadataOf(options, call),
      deadlineOf(options, call),
      (error, response) => {
        call.signal?.removeEventListener('abort', cancel);
        if (error) reject(PerceptRpcError.from(error));
        else resolve(response);
      },
    );
    const cancel = (): void => handle.cancel();
    call.signal?.addEventListener('abort', cancel, { once: true });
  });
}

async function* serverStreamCall(
  client: Client,
  method: AnyMethod,
  request: unknown,
  options: ConnectOptions,
  call: CallOptions,
): AsyncGenerator<unknown, void, undefined> {
  if (call.signal?.aborted) throw cancelled();
  const stream: ClientReadableStream<unknown> = client.makeServerStreamRequest(
    method.path,
    serializerOf(method),
    method.responseDeserialize,
    withRequestId(request),
    metadataOf(options, call),
    // A stream is followed for as long as it lives, so only the caller can say when it is too long.
    deadlineOf({ ...options, timeoutMs: Number.POSITIVE_INFINITY }, call),
  );
  // Cancelling after the reader has left emits an error that nobody waits for.
  stream.on('error', () => undefined);
  const cancel = (): void => stream.cancel();
  call.signal?.addEventListener('abort', cancel, { once: true });
  try {
    for await (const response of stream) yield response;
  } catch (error) {
    throw PerceptRpcError.from(error);
  } finally {
    call.signal?.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

async function clientStreamCall(
  client: Client,
  method: AnyMethod,
  requests: AsyncIterable<unknown> | Iterable<unknown>,
  options: ConnectOptions,
  call: CallOptions,
): Promise<unknown> {
  if (call.signal?.aborted) throw cancelled();
  let stream: ClientWritableStream<unknown> | undefined;
  const answered = new Promise<unknown>((resolve, reject) => {
    stream = client.makeClientStreamRequest(
      method.path,
      serializerOf(method),
      method.responseDeserialize,
      metadataOf(options, call),
      deadlineOf(options, call),
      (error, response) => (error ? reject(PerceptRpcError.from(error)) : resolve(response)),
    );
  });
  const writer = stream as unknown as ClientWritableStream<unknown>;
  const cancel = (): void => writer.cancel();
  call.signal?.addEventListener('abort', cancel, { once: true });
  let over = false;
  const settled = answered.then(
    () => {
      over = true;
    },
    () => {
      over = true;
    },
  );
  try {
    for await (const request of requests) {
      if (over) break;
      const free = new Promise<void>((resolve) => {
        if (writer.write(request)) resolve();
        else writer.once('drain', resolve);
      });
      // An answer may come before all is sent: then nothing drains any more.
      await Promise.race([free, settled]);
    }
    writer.end();
    return await answered;
  } catch (error) {
    writer.cancel();
    await settled;
    throw error;
  } finally {
    call.signal?.removeEventListener('abort', cancel);
  }
}

function serializerOf(method: AnyMethod): (value: unknown) => Buffer {
  return method.requestSerialize as (value: unknown) => Buffer;
}

function withRequestId(request: unknown): unknown {
  if (typeof request !== 'object' || request === null || !('requestId' in request)) return request;
  return request.requestId === '' ? { ...request, requestId: randomUUID() } : request;
}

function metadataOf(options: ConnectOptions, call: CallOptions): Metadata {
  const metadata = new Metadata();
  if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`);
  const traceparent = call.traceparent ?? options.traceparent?.();
  if (traceparent !== undefined) metadata.set('traceparent', traceparent);
  return metadata;
}

function deadlineOf(options: ConnectOptions, call: CallOptions): GrpcCallOptions {
  if (call.deadline !== undefined) return { deadline: call.deadline };
  const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? defaultTimeoutMs;
  return timeoutMs === Number.POSITIVE_INFINITY ? {} : { deadline: new Date(Date.now() + timeoutMs) };
}

function cancelled(): PerceptRpcError {
  return new PerceptRpcError('CANCELLED', 'the call was cancelled before it began');
}
