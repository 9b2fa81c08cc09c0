import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('..', import.meta.url));
const buildFolder = path.join(folder, 'build');

function works(program, args) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

/** Whether the compiler finds oneDNN's C++ header, in either of the two places where its versions keep it. */
function findsOneDnn(compiler) {
  const source = '#if __has_include(<oneapi/dnnl/dnnl.hpp>) || __has_include(<dnnl.hpp>)\n#else\n#error\n#endif\n';
  return (
    spawnSync(compiler, ['-x', 'c++', '-fsyntax-only', '-'], { input: source, stdio: ['pipe', 'ignore', 'ignore'] })
      .status === 0
  );
}

function headersFolder() {
  const candidates = [folder, path.join(folder, '..', '..')].map((base) =>
    path.join(base, 'node_modules', 'node-api-headers', 'include'),
  );
  return candidates.find((candidate) => existsSync(path.join(candidate, 'node_api.h')));
}

function missingParts() {
  const compiler = process.env.CXX ?? 'c++';
  const missing = [];
  if (!works(compiler, ['--version'])) missing.push(`a C++17 compiler (${compiler}; Debian package g++)`);
  else if (!findsOneDnn(compiler)) missing.push('oneDNN (Debian package libdnnl-dev)');
  if (!works('cmake', ['--version'])) missing.push('cmake (Debian package cmake)');
  if (!works('ninja', ['--version']) && !works('make', ['--version'])) missing.push('make (Debian package make)');
  if (!headersFolder()) missing.push('the npm package node-api-headers (run npm ci)');
  return missing;
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `exit status ${status}`}`);
}

function main() {
  const missing = missingParts();
  if (missing.length > 0) throw new Error(`missing: ${missing.join('; ')}`);
  mkdirSync(buildFolder, { recursive: true });
  const fresh = !existsSync(path.join(buildFolder, 'CMakeCache.txt'));
  const generator = fresh && works('ninja', ['--version']) ? ['-G', 'Ninja'] : [];
  run('cmake', [
    '-S',
    path.join(folder, 'native'),
    '-B',
    buildFolder,
    ...generator,
    '-DCMAKE_BUILD_TYPE=Release',
    `-DNODE_API_HEADERS=${headersFolder()}`,
  ]);
  run('cmake', ['--build', buildFolder, '--parallel', String(os.availableParallelism())]);
}

try {
  main();
} catch (error) {
  console.error(`engine-native: ${error.message}`);
  process.exitCode = 1;
}
