import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../native/conv/test', import.meta.url));
const build = fileURLToPath(new URL('../build', import.meta.url));

/**
 * Builds programs of native/conv/test in a folder of its own below build/; `flags` are cmake's. Gives the folder, or undefined after
 * printing what cmake said when it failed.
 */
export function buildConvPrograms(name, programs, flags = []) {
  const folder = path.join(build, name);
  for (const args of [
    ['-S', source, '-B', folder, '-DCMAKE_BUILD_TYPE=Release', ...flags],
    ['--build', folder, '--target', ...programs, '--parallel', '2'],
  ]) {
    const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
    if (status !== 0) {
      process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
      return undefined;
    }
  }
  return folder;
}
