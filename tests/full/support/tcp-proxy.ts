import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Stands between clients and a server on loopback; cuts and slows what passes. */
export class TcpProxy {
  readonly port: number;
  /** Added to every piece in both directions, in milliseconds. */
  delayMs = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => {
      const upstream = connect(target, '127.0.0.1');
      this.#pass(client, upstream);
      this.#pass(upstream, client);
    });
  }

  /** Listens on a free port and passes everything on to `target`. */
  static async to(target: number): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, target);
  }

  /** Ends every open connection without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('data', async (piece) => {
      if (this.delayMs > 0) {
        // Pieces stay in order: nothing is read while one waits.
        from.pause();
        await pause(this.delayMs);
        from.resume();
      }
      if (!to.destroyed && !to.write(piece)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    from.on('end', () => to.end());
  }
}
