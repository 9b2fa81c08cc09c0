import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreLockedError } from './errors.js';
import { systemErrorCode } from './file-errors.js';

/** A claim is an empty file; its name says whose it is, so that it is never half-written. */
interface Claim {
  readonly file: string;
  readonly pid: number;
  /** Distinguishes a process from a later one with the same number. */
  readonly startedAt: string;
  readonly token: string;
  readonly stage: 'candidate' | 'holder';
}

const CLAIM = /^\.lock-(\d+)-(\d+)-([0-9a-f]{32})-(candidate|holder)$/;
const ATTEMPTS = 50;

/**
 * Makes this process the only one that writes below `directory`; claims of processes that are gone are removed.
 *
 * Every opener leaves its claim first and looks for others then, so that of two at least one sees the other and gives way.
 *
 * @returns the release.
 * @throws StoreLockedError.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const token = randomUUID().replaceAll('-', '');
    const candidate = await stakeClaim(directory, token, 'candidate');
    const others = await livingClaims(directory, token);
    if (others.length === 0) {
      const holder = await stakeClaim(directory, token, 'holder');
      return async () => {
        await rm(holder, { force: true });
        await rm(candidate, { force: true });
      };
    }
    await rm(candidate, { force: true });
    const holder = others.find(({ stage }) => stage === 'holder');
    if (holder !== undefined) {
      throw new StoreLockedError(
        `the store in ${directory} is in use by process ${holder.pid}; stop it first, or use another folder`,
      );
    }
    // Both gave way: unequal pauses let one come first.
    await sleep(5 + Math.random() * 40);
  }
  throw new StoreLockedError(`the store in ${directory} is being opened by other processes`);
}

async function stakeClaim(directory: string, token: string, stage: Claim['stage']): Promise<string> {
  const file = join(directory, `.lock-${process.pid}-${startTime(process.pid) ?? '0'}-${token}-${stage}`);
  await writeFile(file, '', { flag: 'wx' });
  return file;
}

async function livingClaims(directory: string, ownToken: string): Promise<Claim[]> {
  const living: Claim[] = [];
  for (const name of await readdir(directory)) {
    const claim = parseClaim(directory, name);
    if (claim === undefined || claim.token === ownToken) {
      continue;
    }
    if (isAlive(claim)) {
      living.push(claim);
    } else {
      await rm(claim.file, { force: true });
    }
  }
  return living;
}

function parseClaim(directory: string, name: string): Claim | undefined {
  const [, pid, startedAt, token, stage] = CLAIM.exec(name) ?? [];
  if (pid === undefined || startedAt === undefined || token === undefined) {
    return undefined;
  }
  return {
    file: join(directory, name),
    pid: Number(pid),
    startedAt,
    token,
    stage: stage === 'holder' ? 'holder' : 'candidate',
  };
}

function isAlive(claim: Claim): boolean {
  try {
    process.kill(claim.pid, 0);
  } catch (error) {
    if (systemErrorCode(error) === 'ESRCH') {
      return false;
    }
  }
  return claim.startedAt === '0' || startTime(claim.pid) === claim.startedAt;
}

/** The process's start in clock ticks since boot, where the system tells. */
function startTime(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields count from behind the name, which may contain spaces and parentheses.
    return status.slice(status.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
