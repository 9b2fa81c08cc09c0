import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Endpoints } from '@percept/gateways';

/** What `percept up` leaves in its data folder for other commands. */
export interface RunningPercept {
  readonly endpoints: Endpoints;
  /** HOST:PORT of the Open Inference server. */
  readonly inference: string;
  readonly dashboard?: string;
}

/** The default data folder, below the working folder. */
export const defaultDataFolder = '.percept';

const fileOf = (folder: string): string => path.join(folder, 'endpoints.json');

/** Writes where the services listen. */
export async function writeEndpoints(folder: string, running: RunningPercept): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(fileOf(folder), `${JSON.stringify(running, null, 2)}\n`);
}

/** Reads where the services listen; undefined where none were started in this folder. */
export async function readEndpoints(folder: string): Promise<RunningPercept | undefined> {
  try {
    return JSON.parse(await readFile(fileOf(folder), 'utf8')) as RunningPercept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes the file of services that ended. */
export async function removeEndpoints(folder: string): Promise<void> {
  await rm(fileOf(folder), { force: true });
}
