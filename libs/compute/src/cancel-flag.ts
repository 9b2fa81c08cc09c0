import { TaskCancelledError } from './errors.js';

/** A flag that both threads see at once, whatever their event loops are doing. */
export function createCancelFlag(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

export function raiseCancelFlag(flag: SharedArrayBuffer): void {
  Atomics.store(new Int32Array(flag), 0, 1);
}

export function isRaised(flag: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(flag), 0) === 1;
}

/**
 * A controller whose signal also looks at the flag when it is asked: a task that only awaits promises of its own never lets the
 * message of the cancellation in, yet code that checks `signal.aborted` or `signal.throwIfAborted()` at every step sees it.
 */
export function flagAwareController(flag: SharedArrayBuffer): AbortController {
  const controller = new AbortController();
  const { signal } = controller;
  const ownAborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get;
  const aborted = () => {
    if (ownAborted?.call(signal) !== true && isRaised(flag)) {
      controller.abort(new TaskCancelledError());
    }
    return ownAborted?.call(signal) === true;
  };
  Object.defineProperties(signal, {
    aborted: { get: aborted },
    throwIfAborted: {
      value: () => {
        if (aborted()) {
          throw signal.reason;
        }
      },
    },
  });
  return controller;
}
