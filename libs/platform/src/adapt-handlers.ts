import type {
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type AnyMethod, invalidArgument, methodKind, rpcError } from '@percept/contracts';
import type { CallContext } from './call-context.js';
import { type CallScope, type CallSettings, openCallScope } from './call-scope.js';
import { toRpcError } from './error-mapping.js';
import type { MountedService } from './service-handlers.js';
import { withTrace } from './trace-context.js';

/** Stands for a request whose bytes are not the message they should be. */
const malformed: unique symbol = Symbol('malformed request');

type UnaryHandler = (request: unknown, context: CallContext) => Promise<unknown>;
type ServerStreamHandler = (request: unknown, context: CallContext) => AsyncIterable<unknown>;
type ClientStreamHandler = (requests: AsyncIterable<unknown>, context: CallContext) => Promise<unknown>;

/** Turns typed handlers into what grpc-js serves. */
export function adaptHandlers(
  { definition, handlers }: MountedService,
  settings: CallSettings,
): { definition: ServiceDefinition; implementation: UntypedServiceImplementation } {
  const methods: Record<string, unknown> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition)) {
    methods[name] = { ...method, originalName: name, requestDeserialize: tolerant(method) };
    const handler = handlers[name];
    switch (methodKind(method)) {
      case 'unary':
        implementation[name] = unary(handler as UnaryHandler, method, settings);
        break;
      case 'server-stream':
        implementation[name] = serverStream(handler as ServerStreamHandler, method, settings);
        break;
      case 'client-stream':
        implementation[name] = clientStream(handler as ClientStreamHandler, method, settings);
        break;
      case 'bidi-stream':
        throw new Error(`${method.path}: calls that stream both ways are not supported`);
    }
  }
  return { definition: methods as unknown as ServiceDefinition, implementation };
}

/** Lets malformed bytes reach the handler, since grpc-js itself would answer INTERNAL. */
function tolerant(method: AnyMethod): (bytes: Buffer) => unknown {
  return (bytes) => {
    try {
      return method.requestDeserialize(bytes);
    } catch {
      return malformed;
    }
  };
}

function wellFormed(request: unknown): unknown {
  if (request === malformed) {
    throw invalidArgument([{ field: '', description: 'the bytes are not a message of the type of this call' }]);
  }
  return request;
}

function unary(handler: UnaryHandler, method: AnyMethod, settings: CallSettings): handleUnaryCall<unknown, unknown> {
  return (call: ServerUnaryCall<unknown, unknown>, callback) => {
    const scope = openCallScope(call, method, settings);
    const work = withTrace(scope.trace, async () => handler(wellFormed(call.request), scope.context));
    settle(scope, work, settings, callback);
  };
}

function clientStream(
  handler: ClientStreamHandler,
  method: AnyMethod,
  settings: CallSettings,
): handleClientStreamingCall<unknown, unknown> {
  return (call: ServerReadableStream<unknown, unknown>, callback) => {
    const scope = openCallScope(call, method, settings);
    const work = withTrace(scope.trace, async () => handler(requestsOf(call, scope), scope.context));
    settle(scope, work, settings, callback);
  };
}

type Callback = Parameters<handleUnaryCall<unknown, unknown>>[1];

/** Answers with whatever comes first: the handler's response, its error, or the end of the call. */
function settle(scope: CallScope, work: Promise<unknown>, settings: CallSettings, callback: Callback): void {
  Promise.race([work, scope.ended]).then(
    (response) => {
      scope.release();
      callback(null, response);
    },
    (error: unknown) => {
      const answer = toRpcError(scope.reasonOf(error), scope.context, settings.errorRules);
      scope.release();
      callback(answer.toStatus());
    },
  );
}

async function* requestsOf(call: ServerReadableStream<unknown, unknown>, scope: CallScope): AsyncGenerator<unknown> {
  const { signal } = scope.context;
  // A cancelled call neither ends nor fails its stream by itself.
  const stop = (): void => {
    call.destroy(signal.reason instanceof Error ? signal.reason : rpcError('CANCELLED', 'the call was cancelled'));
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const request of call) yield wellFormed(request);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function serverStream(
  handler: ServerStreamHandler,
  method: AnyMethod,
  settings: CallSettings,
): handleServerStreamingCall<unknown, unknown> {
  return (call: ServerWritableStream<unknown, unknown>) => {
    const scope = openCallScope(call, method, settings);
    withTrace(scope.trace, () => pump(handler, call, scope)).then(
      () => {
        scope.release();
        call.end();
      },
      (error: unknown) => {
        const answer = toRpcError(scope.reasonOf(error), scope.context, settings.errorRules);
        scope.release();
        call.emit('error', answer.toStatus());
      },
    );
  };
}

/** Writes a handler's responses as fast as the client reads them. */
async function pump(
  handler: ServerStreamHandler,
  call: ServerWritableStream<unknown, unknown>,
  scope: CallScope,
): Promise<void> {
  const responses = handler(wellFormed(call.request), scope.context)[Symbol.asyncIterator]();
  let exhausted = false;
  try {
    for (;;) {
      const next = await Promise.race([responses.next(), scope.ended]);
      if (next.done) {
        exhausted = true;
        return;
      }
      if (!call.write(next.value)) {
        const drained = new Promise<void>((resolve) => call.once('drain', resolve));
        await Promise.race([drained, scope.ended]);
      }
    }
  } catch (error) {
    exhausted ||= !scope.context.signal.aborted;
    throw error;
  } finally {
    // Not awaited: a generator in the middle of something returns only after it.
    if (!exhausted)
      responses.return?.().catch((error: unknown) => scope.context.log.warn({ err: error }, 'stream cleanup failed'));
  }
}
