// Builds the C++ tests of the convolution kernels and of whole networks and runs them: plain, with the address and undefined-behaviour sanitizers and, on a CPU
// without AVX-512, with the AVX-512 kernels emulated.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { buildConvPrograms } from './build-conv-programs.mjs';

/** The build with emulated AVX-512, where the CPU needs it and SIMDe (Debian package libsimde-dev) is installed. */
function emulatedBuilds() {
  if (process.arch !== 'x64' || /\bavx512vl\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))) return [];
  if (existsSync('/usr/include/simde/x86/avx512.h')) return [['avx512 emulated', ['-DEMULATE_AVX512=ON']]];
  console.log('avx512: skipped, since the CPU has none and SIMDe (Debian package libsimde-dev) is not installed');
  return [];
}

const programs = ['conv_test', 'network_test'];
let passed = 0;
let failed = 0;
for (const [name, flags] of [['plain', []], ['sanitized', ['-DSANITIZE=ON']], ...emulatedBuilds()]) {
  const folder = buildConvPrograms(`conv-test-${name.replaceAll(' ', '-')}`, programs, flags);
  if (folder === undefined) {
    failed++;
    continue;
  }
  for (const program of programs) {
    const { status, stdout, stderr } = spawnSync(path.join(folder, program), { encoding: 'utf8', maxBuffer: 2 ** 26 });
    if (status !== 0) process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
    const [, p = '0', f = '0'] = /(\d+) passed, (\d+) failed/.exec(stdout ?? '') ?? [];
    console.log(`${program}, ${name}: ${p} passed, ${f} failed`);
    passed += Number(p);
    failed += Number(f) + (status !== 0 && Number(f) === 0 ? 1 : 0);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
