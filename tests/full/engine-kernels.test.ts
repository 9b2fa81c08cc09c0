import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const sources = path.resolve(import.meta.dirname, '../../libs/engine-native/native/conv/test');

describe('the convolution kernels, each against a float64 reference of its own', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'percept-kernels-'));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it.each([
    ['as they ship', 'OFF'],
    ['under the address and undefined-behaviour sanitizers', 'ON'],
  ])('are right in every shape, direction and instruction set %s', async (_, sanitize) => {
    const build = path.join(folder, sanitize);
    await run('cmake', ['-S', sources, '-B', build, '-DCMAKE_BUILD_TYPE=Release', `-DSANITIZE=${sanitize}`]);
    await run('cmake', ['--build', build, '--target', 'conv_test', '--parallel', '2'], { maxBuffer: 2 ** 26 });
    const { stdout } = await run(path.join(build, 'conv_test'), { maxBuffer: 2 ** 26 });
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^[1-9]\d{3,} passed, 0 failed$/);
  });
});
