import { parentPort, workerData } from 'node:worker_threads';
import { type EngineInfo, selectEngine } from '@percept/tensor';
import { flagAwareController, isRaised } from './cancel-flag.js';
import { TaskCancelledError } from './errors.js';
import { type TaskContext, Transferring } from './task.js';
import type { FromWorker, PlainError, ToWorker, WorkerSetup } from './worker-messages.js';
import { yieldToCalls } from './yield-to-calls.js';

type AnyTask = (input: unknown, context: TaskContext) => unknown;
type RunMessage = Extract<ToWorker, { type: 'run' }>;

const port = parentPort;
if (port === null) {
  throw new Error('this module runs in a worker thread of a compute pool');
}

const controllers = new Map<number, AbortController>();

try {
  // Before the engine starts threads of its own.
  yieldToCalls();
  const setup = workerData as WorkerSetup;
  const engine = await selectEngine({
    ...(setup.engine === undefined ? {} : { engine: setup.engine }),
    ...(setup.threads === undefined ? {} : { threads: setup.threads }),
  });
  const tasks = (await import(setup.taskModule)) as Record<string, unknown>;
  port.on('message', (message: ToWorker) => {
    if (message.type === 'cancel') {
      controllers.get(message.id)?.abort(new TaskCancelledError());
    } else {
      void run(tasks, engine, message);
    }
  });
  send({ type: 'ready', engine });
} catch (error) {
  send({ type: 'start-failed', error: toPlainError(error) });
}

async function run(tasks: Record<string, unknown>, engine: EngineInfo, message: RunMessage): Promise<void> {
  const { id, cancelFlag, followed } = message;
  const task = Object.hasOwn(tasks, message.task) ? tasks[message.task] : undefined;
  if (typeof task !== 'function') {
    send({ type: 'unknown-task', id });
    return;
  }
  const controller = flagAwareController(cancelFlag);
  controllers.set(id, controller);
  const context: TaskContext = {
    signal: controller.signal,
    engine,
    get cancelled() {
      return isRaised(cancelFlag);
    },
    throwIfCancelled: () => {
      if (isRaised(cancelFlag)) {
        throw new TaskCancelledError();
      }
    },
    progress: (event, transfer = []) => {
      if (followed) send({ type: 'progress', id, event }, transfer);
    },
  };
  try {
    const output = await perform(task as AnyTask, message.input, context);
    sendValue(output, (value) => ({ type: 'done', id, output: value }));
  } catch (error) {
    send(isRaised(cancelFlag) ? { type: 'cancelled', id } : { type: 'failed', id, error: toPlainError(error) });
  } finally {
    controllers.delete(id);
  }
}

/** Runs a plain task, or a generator whose yields are progress. */
async function perform(task: AnyTask, input: unknown, context: TaskContext): Promise<unknown> {
  const output = await task(input, context);
  if (!isAsyncGenerator(output)) {
    return output;
  }
  try {
    for (;;) {
      const { value, done } = await output.next();
      if (done === true) {
        return value;
      }
      if (value instanceof Transferring) {
        context.progress(value.value, value.buffers);
      } else {
        context.progress(value);
      }
      context.throwIfCancelled();
    }
  } finally {
    await output.return(undefined);
  }
}

function isAsyncGenerator(value: unknown): value is AsyncGenerator<unknown, unknown, void> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value && 'return' in value;
}

function sendValue(value: unknown, message: (plain: unknown) => FromWorker): void {
  if (value instanceof Transferring) {
    send(message(value.value), value.buffers);
  } else {
    send(message(value));
  }
}

function send(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, [...transfer]);
}

function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error)) {
    return { name: 'Error', message: String(error), stack: '', details: {} };
  }
  const details: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(error)) {
    try {
      details[name] = structuredClone(value);
    } catch {
      // Functions and handles stay behind; the message and the stack go.
    }
  }
  return { name: error.name, message: error.message, stack: error.stack ?? '', details };
}
