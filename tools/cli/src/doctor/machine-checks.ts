import { mkdir, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { selectEngine } from '@percept/tensor';
import type { Check, Finding } from './check.js';

const leastFreeBytes = 1024 ** 3;
const comfortableFreeBytes = 5 * 1024 ** 3;

/** Node is of a version that Percept is tested with. */
export function nodeCheck(version: string = process.versions.node): Check {
  return {
    name: 'node',
    run: async () => {
      const [major = 0, minor = 0] = version.split('.').map(Number);
      const sound = (major === 20 && minor >= 19) || major === 21 || major === 22;
      return sound
        ? { state: 'ok', found: `Node ${version}` }
        : { state: 'failed', found: `Node ${version}`, advice: 'install Node 20 (20.19 or later) or 22' };
    },
  };
}

/** The engine that a worker would get. */
export const engineCheck: Check = {
  name: 'engine',
  run: async () => {
    const { name, version, path, threads } = await selectEngine();
    const found = `${name} ${version}, ${path}, ${threads} threads`;
    if (name !== 'cpu') return { state: 'ok', found };
    const advice =
      'the portable engine is many times slower; install g++, cmake, make and libdnnl-dev, then run: node tools/bootstrap/src/main.mjs setup';
    return { state: 'warning', found, advice };
  },
};

/** The data folder can be made, and its disk has space. */
export function diskCheck(folder: string): Check {
  return {
    name: 'disk',
    run: async (): Promise<Finding> => {
      await mkdir(folder, { recursive: true });
      const { bavail, bsize } = await statfs(folder);
      const free = bavail * bsize;
      const found = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${folder}`;
      if (free >= comfortableFreeBytes) return { state: 'ok', found };
      const state = free < leastFreeBytes ? 'failed' : 'warning';
      return { state, found, advice: 'free some space, or give another --data-folder' };
    },
  };
}

/** A port can be listened on. */
export function portCheck(name: string, host: string, port: number, running: boolean): Check {
  return {
    name,
    run: async () => {
      if (running) return { state: 'ok', found: `services of this data folder are up` };
      const server = createServer();
      const code = await new Promise<string | undefined>((resolve) => {
        server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
        server.listen(port, host, () => resolve(undefined));
      });
      await new Promise<void>((resolve) => server.close(() => resolve()));
      if (code === undefined) return { state: 'ok', found: `${host}:${port} is free` };
      return {
        state: 'failed',
        found: `${host}:${port}: ${code}`,
        advice: 'end what listens there, or choose another port',
      };
    },
  };
}
