// Builds the C++ tests of the convolution kernels, plain and with the address and undefined-behaviour sanitizers, and runs both.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../native/conv/test', import.meta.url));
const build = fileURLToPath(new URL('../build', import.meta.url));

function run(program, args, options = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26, ...options });
  if (status !== 0) process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
  return { status, stdout: stdout ?? '' };
}

let passed = 0;
let failed = 0;
for (const [name, flags] of [
  ['plain', []],
  ['sanitized', ['-DSANITIZE=ON']],
]) {
  const folder = path.join(build, `conv-test-${name}`);
  const steps = [
    ['cmake', ['-S', source, '-B', folder, '-DCMAKE_BUILD_TYPE=Release', ...flags]],
    ['cmake', ['--build', folder, '--target', 'conv_test', '--parallel', '2']],
  ];
  if (!steps.every(([program, args]) => run(program, args).status === 0)) {
    failed++;
    continue;
  }
  const { status, stdout } = run(path.join(folder, 'conv_test'), []);
  const [, p = '0', f = '0'] = /(\d+) passed, (\d+) failed/.exec(stdout) ?? [];
  console.log(`${name}: ${p} passed, ${f} failed`);
  passed += Number(p);
  failed += Number(f) + (status !== 0 && Number(f) === 0 ? 1 : 0);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
