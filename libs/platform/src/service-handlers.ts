import type { RequestOf, ResponseOf, ServiceShape } from '@percept/contracts';
import type { CallContext } from './call-context.js';

/** How one call is written: an async function, or an async generator where the response is a stream. */
export type Handler<Method> = Method extends { requestStream: false; responseStream: false }
  ? (request: RequestOf<Method>, context: CallContext) => Promise<ResponseOf<Method>>
  : Method extends { requestStream: false; responseStream: true }
    ? (request: RequestOf<Method>, context: CallContext) => AsyncIterable<ResponseOf<Method>>
    : Method extends { requestStream: true; responseStream: false }
      ? (requests: AsyncIterable<RequestOf<Method>>, context: CallContext) => Promise<ResponseOf<Method>>
      : never;

/** How a whole service is written: one handler per call. */
export type ServiceHandlers<Service extends ServiceShape> = {
  readonly [Name in keyof Service]: Handler<Service[Name]>;
};

/** A service ready to be served by `startService`. */
export interface MountedService {
  readonly definition: ServiceShape;
  readonly handlers: Readonly<Record<string, unknown>>;
}

/** Joins a generated definition with its handlers. */
export function mount<Service extends ServiceShape>(
  definition: Service,
  handlers: ServiceHandlers<Service>,
): MountedService {
  return { definition, handlers };
}
