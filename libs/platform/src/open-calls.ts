import { type MethodKind, type PerceptRpcError, rpcError } from '@percept/contracts';

interface OpenCall {
  readonly kind: MethodKind;
  readonly abort: (reason: PerceptRpcError) => void;
}

/** The calls under way on a server, so that draining can end them. */
export class OpenCalls {
  readonly #calls = new Set<OpenCall>();

  get size(): number {
    return this.#calls.size;
  }

  /** Notes a call; the function it returns forgets it again. */
  add(kind: MethodKind, abort: (reason: PerceptRpcError) => void): () => void {
    const call = { kind, abort };
    this.#calls.add(call);
    return () => this.#calls.delete(call);
  }

  /** Ends every call of the given kinds with UNAVAILABLE, after which clients may try another server. */
  endAll(kinds: readonly MethodKind[]): void {
    for (const { kind, abort } of [...this.#calls]) {
      if (kinds.includes(kind)) abort(rpcError('UNAVAILABLE', 'the service is shutting down', { retryDelayMs: 1_000 }));
    }
  }
}
