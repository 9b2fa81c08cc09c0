import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { hasProgram, runCommand } from './run-command.mjs';

/** Whether the system's own Python can make virtual environments; another Python on the PATH says nothing of it. */
function hasSystemVenv() {
  return readdirSync('/usr/lib').some(
    (folder) => folder.startsWith('python3.') && existsSync(path.join('/usr/lib', folder, 'ensurepip')),
  );
}

/** What may be needed from the system: how to see that it is there, and the Debian package that brings it. */
const parts = {
  compiler: { package: 'g++', present: () => hasProgram('c++') || hasProgram('g++') },
  cmake: { package: 'cmake', present: () => hasProgram('cmake') },
  make: { package: 'make', present: () => hasProgram('make') || hasProgram('ninja') },
  onednn: {
    package: 'libdnnl-dev',
    present: () =>
      ['/usr/include/dnnl.hpp', '/usr/include/oneapi/dnnl/dnnl.hpp', '/usr/local/include/dnnl.hpp'].some(existsSync),
  },
  'nats-server': { package: 'nats-server', present: () => hasProgram('nats-server') },
  chromium: { package: 'chromium', present: () => hasProgram('chromium') },
  simde: { package: 'libsimde-dev', present: () => existsSync('/usr/include/simde/x86/avx512.h') },
  'python-venv': { package: 'python3-venv', present: hasSystemVenv },
  'python-torch': { package: 'python3-torch', present: () => existsSync('/usr/lib/python3/dist-packages/torch') },
};

/** The parts the native engine is built with. */
export const engineParts = ['compiler', 'cmake', 'make', 'onednn'];
/** The parts the fast tests run against. */
export const testParts = ['nats-server', 'chromium'];
/** The parts the full tests need besides. */
export const fullTestParts = ['python-venv', 'python-torch', 'simde'];

/**
 * Installs the missing parts with apt when this is root, and otherwise says which command to run.
 * Resolves with the names of the parts that are still missing.
 */
export async function ensureSystemParts(names, { log }) {
  const missing = () => names.filter((name) => !parts[name].present());
  const wanted = missing();
  if (wanted.length === 0) return [];
  const packages = wanted.map((name) => parts[name].package);
  const install = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (!hasProgram('apt-get')) {
    log(`missing: ${wanted.join(', ')}; on Debian or Ubuntu they come with: ${install}`);
    return wanted;
  }
  if (process.getuid?.() !== 0) {
    log(`missing: ${wanted.join(', ')}. To install them, run:\n    sudo sh -c '${install}'`);
    return wanted;
  }
  log(`installing ${packages.join(', ')} with apt`);
  const { code, output } = await runCommand('sh', ['-c', install], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    quiet: true,
  });
  if (code !== 0) log(`apt failed:\n${output.split('\n').slice(-8).join('\n')}`);
  return missing();
}
