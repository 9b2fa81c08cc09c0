// Builds conv_bench and runs it with the given WIDTH BATCH THREADS ROUNDS; its lines are JSON.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../native/conv/test', import.meta.url));
const build = fileURLToPath(new URL('../build/conv-bench', import.meta.url));

for (const args of [
  ['-S', source, '-B', build, '-DCMAKE_BUILD_TYPE=Release'],
  ['--build', build, '--target', 'conv_bench', '--parallel', '2'],
]) {
  const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) {
    process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
    process.exit(1);
  }
}
const { status } = spawnSync(path.join(build, 'conv_bench'), process.argv.slice(2), { stdio: 'inherit' });
process.exitCode = status ?? 1;
