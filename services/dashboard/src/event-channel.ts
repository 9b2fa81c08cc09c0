import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Timing of a stream of Server-Sent Events, in milliseconds. */
export interface ChannelTiming {
  readonly heartbeat: number;
  readonly window: number;
  readonly retry: number;
}

/** A comment every 15 s keeps proxies from closing; 200 ms windows give at most 5 updates a second. */
export const defaultTiming: ChannelTiming = { heartbeat: 15_000, window: 200, retry: 1_000 };

/** One client's stream of Server-Sent Events; it owns the heartbeat and ends with the client. */
export class EventChannel {
  readonly #response: ServerResponse;
  readonly #gone = new AbortController();
  readonly #heartbeat: NodeJS.Timeout;

  constructor(response: ServerResponse, timing: ChannelTiming) {
    this.#response = response;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.write(`retry: ${timing.retry}\n\n`);
    this.#heartbeat = setInterval(() => {
      if (!response.writableNeedDrain) response.write(': heartbeat\n\n');
    }, timing.heartbeat);
    response.once('close', () => this.#end());
    response.once('error', () => this.#end());
  }

  /** Aborted as soon as the client is gone or the channel is closed. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Writes one event and waits until the client's connection can take more; nothing is written to a client that is gone. */
  async send(event: string, data: unknown, id?: string): Promise<void> {
    if (this.signal.aborted) return;
    const head = id === undefined ? '' : `id: ${id}\n`;
    if (this.#response.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) return;
    await once(this.#response, 'drain', { signal: this.signal }).catch((error: unknown) => {
      if (!this.signal.aborted) throw error;
    });
  }

  /** Ends the stream. */
  close(): void {
    this.#end();
    this.#response.end();
  }

  #end(): void {
    clearInterval(this.#heartbeat);
    this.#gone.abort();
  }
}
