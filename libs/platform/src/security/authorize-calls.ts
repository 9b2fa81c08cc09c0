import {
  Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from '@grpc/grpc-js';
import { callScopes } from './scopes.js';
import { bearerToken, type TokenTable, type Verdict } from './token-table.js';

const callers = new WeakMap<Metadata, string>();

/** Who makes a call, by the name of the token; undefined where no tokens are asked for. */
export function callerOf(metadata: Metadata): string | undefined {
  return callers.get(metadata);
}

/**
 * Lets only those calls through whose token has the call's scope. Health is open to all, since probes hold no token;
 * reflection needs any living token; a call without a declared scope is refused. What comes after never sees the token.
 */
export function authorizeCalls(tokens: TokenTable | undefined): ServerInterceptor {
  return ({ path }, call) => {
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const headers = metadata.get('authorization');
        metadata.remove('authorization');
        const verdict = tokens === undefined ? undefined : judge(tokens, path, headers);
        if (verdict?.kind === 'unauthenticated' || verdict?.kind === 'denied') {
          const code = verdict.kind === 'denied' ? status.PERMISSION_DENIED : status.UNAUTHENTICATED;
          if (verdict.kind === 'denied') callers.set(metadata, verdict.caller);
          call.sendStatus({ code, details: verdict.reason, metadata: new Metadata() });
          return;
        }
        if (verdict !== undefined && verdict.caller !== '') callers.set(metadata, verdict.caller);
        next(metadata);
      })
      .build();
    return new ServerInterceptingCall(call, new ResponderBuilder().withStart((next) => next(listener)).build());
  };
}

function judge(tokens: TokenTable, path: string, headers: readonly (string | Buffer)[]): Verdict {
  if (path.startsWith('/grpc.health.')) return { kind: 'admitted', caller: '' };
  const token = headers.length === 1 ? bearerToken(headers[0]?.toString()) : undefined;
  if (path.startsWith('/grpc.reflection.')) return tokens.judge(token, undefined);
  const scope = callScopes.get(path);
  const verdict = tokens.judge(token, scope);
  if (scope === undefined && verdict.kind === 'admitted') {
    return { kind: 'denied', caller: verdict.caller, reason: 'no scope allows this call' };
  }
  return verdict;
}
