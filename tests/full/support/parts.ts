import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
// @ts-expect-error the bootstrap is plain JavaScript without declarations, so that it runs before anything is installed
import { mlserver, peersPython, python, toolsFolder } from '../../../tools/bootstrap/src/test-tools.mjs';

/** Where a program is: in the folder of test tools or on the PATH. */
function find(program: string): string | undefined {
  return [toolsFolder, ...(process.env['PATH'] ?? '').split(delimiter)]
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file));
}

function needed(name: string, found: string | undefined): string | undefined {
  if (found !== undefined) return found;
  const message = `${name} is absent (npm run test:full installs it): what needs it is not tested`;
  if (process.env['CI'] !== undefined) throw new Error(message);
  console.warn(message);
  return undefined;
}

/** The grpcurl program; undefined where it is absent. @throws Error where it is absent in CI. */
export const grpcurlProgram = (): string | undefined => needed('grpcurl', find('grpcurl'));

/** A Python with the clients' packages; undefined where it is absent. @throws Error where it is absent in CI. */
export const pythonProgram = (): string | undefined =>
  needed('Python with the clients’ packages', existsSync(python) ? python : undefined);

/** The MLServer program; undefined where it is absent. @throws Error where it is absent in CI. */
export const mlserverProgram = (): string | undefined =>
  needed('MLServer', existsSync(mlserver) ? mlserver : undefined);

/** A Python with foolbox, torchattacks, ART and PyTorch; undefined where it is absent. @throws Error where it is absent in CI. */
export const attackLibrariesProgram = (): string | undefined =>
  needed('Python with the attack libraries', existsSync(peersPython) ? peersPython : undefined);
