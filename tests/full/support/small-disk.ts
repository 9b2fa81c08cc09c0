import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A file system of a few megabytes that can be filled up. */
export interface SmallDisk {
  readonly folder: string;
  /** Takes all the room that is left. */
  fill(): void;
  /** Gives that room back. */
  empty(): void;
  close(): Promise<void>;
}

const privileged = (program: string, args: readonly string[]): void => {
  const [command = program, ...rest] = process.getuid?.() === 0 ? [program, ...args] : ['sudo', '-n', program, ...args];
  execFileSync(command, rest, { stdio: 'pipe' });
};

/** Mounts a tmpfs of so many megabytes; undefined where that is not allowed. @throws Error where it is not allowed in CI. */
export async function smallDisk(megabytes: number): Promise<SmallDisk | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), 'percept-disk-'));
  try {
    privileged('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=777`, 'tmpfs', folder]);
  } catch (error) {
    await rm(folder, { recursive: true });
    if (process.env['CI'] !== undefined) throw error;
    console.warn('a small file system cannot be mounted here: full disks are not tested');
    return undefined;
  }
  const filler = path.join(folder, 'filler');
  return {
    folder,
    fill: () => fillUp(filler),
    empty: () => rmSync(filler, { force: true }),
    close: async () => {
      privileged('umount', [folder]);
      await rm(folder, { recursive: true });
    },
  };
}

function fillUp(filler: string): void {
  const file = openSync(filler, 'a');
  try {
    for (let size = 1024 * 1024; size >= 1; ) {
      try {
        // A short write means that less is left.
        if (writeSync(file, new Uint8Array(size)) < size) size = Math.floor(size / 2);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(file);
  }
}
