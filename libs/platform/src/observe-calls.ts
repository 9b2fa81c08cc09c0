import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from '@grpc/grpc-js';
import { deadlineReached } from './deadline-reached.js';
import type { Logger } from './logger.js';
import type { GrpcType, Metrics } from './metrics.js';
import { callerOf } from './security/authorize-calls.js';
import { beginSpan, type WorkSpan } from './spans.js';
import { childTrace, formatTraceparent, parseTraceparent } from './trace-context.js';

/** Services whose calls are too many and too dull for the log. */
const quiet = /^grpc\.(health|reflection)\./;

/** Logs and counts every call of a server, and sees that each has a trace. */
export function observeCalls(log: Logger, metrics: Metrics): ServerInterceptor {
  return (method, call) => {
    const [, service = '', name = ''] = method.path.split('/');
    const finished = metrics.callStarted(service, name, typeOf(method));
    const begun = performance.now();
    let traceId = '';
    let span: WorkSpan | undefined;
    let headers: Metadata | undefined;
    let over = false;
    const finish = (code: number, details: string): void => {
      if (over) return;
      over = true;
      finished(code);
      span?.end({
        attributes: { 'rpc.grpc.status_code': code },
        ...(serious.has(code) ? { failure: details } : {}),
      });
      const line = {
        method: `${service}/${name}`,
        code: status[code] ?? String(code),
        ms: Math.round((performance.now() - begun) * 10) / 10,
        peer: call.getPeer(),
        trace_id: traceId,
        ...callerField(headers),
        ...(code === status.OK ? {} : { details }),
      };
      if (quiet.test(service)) log.debug(line, 'call');
      else if (serious.has(code)) log.error(line, 'call');
      else log.info(line, 'call');
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const parent = parseTraceparent(metadata.get('traceparent')[0]?.toString());
        // Probes are too many and too dull for traces.
        if (!quiet.test(service))
          span = beginSpan(`${service}/${name}`, 'server', parent, {
            'rpc.system': 'grpc',
            'rpc.service': service,
            'rpc.method': name,
          });
        const trace = span?.context ?? childTrace(parent);
        traceId = trace.traceId;
        metadata.set('traceparent', formatTraceparent(trace));
        headers = metadata;
        next(metadata);
      })
      .withOnCancel(() => {
        finish(
          deadlineReached(call.getDeadline()) ? status.DEADLINE_EXCEEDED : status.CANCELLED,
          'ended before it was answered',
        );
      })
      .build();
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((answer, next) => {
        finish(answer.code, answer.details);
        next(answer);
      })
      .build();
    return new ServerInterceptingCall(call, responder);
  };
}

function callerField(headers: Metadata | undefined): { caller?: string } {
  const caller = headers === undefined ? undefined : callerOf(headers);
  return caller === undefined ? {} : { caller };
}

const serious: ReadonlySet<number> = new Set([status.INTERNAL, status.UNKNOWN, status.DATA_LOSS]);

function typeOf(method: { requestStream: boolean; responseStream: boolean }): GrpcType {
  if (method.requestStream) return method.responseStream ? 'bidi_stream' : 'client_stream';
  return method.responseStream ? 'server_stream' : 'unary';
}
