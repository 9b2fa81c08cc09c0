import { existsSync } from 'node:fs';

const setpriv = '/usr/bin/setpriv';

/**
 * The start of a command line under which a program is killed when this process is gone, however it ended; empty where the system has no such thing
 * (it takes Linux and util-linux).
 */
export const dieWithParent: readonly string[] =
  process.platform === 'linux' && existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL', '--'] : [];
