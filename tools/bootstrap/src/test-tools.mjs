import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hasProgram, runCommand } from './run-command.mjs';

/** Where the programs that the full tests run against are kept between runs. */
export const toolsFolder = process.env.PERCEPT_PARTS_DIR ?? path.join(os.homedir(), '.cache', 'percept', 'parts');

const goTools = {
  grpcurl: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4',
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
};

const pythonPackages = [
  'grpcio==1.81.1',
  'grpcio-tools==1.81.1',
  'numpy==2.4.6',
  'tritonclient[grpc]==2.73.0',
  'onnx==1.23.2',
  'onnxruntime==1.32.0',
];

// Without their dependencies, which would bring a second PyTorch where there is Debian's; all that they import is named.
const attackLibraries = [
  'torchattacks==3.5.1',
  'pyautoattack==0.2.0',
  'foolbox==3.3.4',
  'adversarial-robustness-toolbox==1.20.1',
  ...['scipy==1.11.4', 'scikit-learn==1.3.2', 'torchvision==0.15.1', 'tqdm', 'setuptools<81', 'six', 'joblib'],
  ...['threadpoolctl', 'typing_extensions', 'pillow', 'GitPython', 'gitdb', 'smmap', 'cloudpickle', 'packaging'],
  ...['eagerpy', 'requests', 'urllib3', 'idna', 'certifi', 'charset-normalizer'],
];

/** The MLServer of the virtual environment of its own, whose dependencies would move the clients' versions. */
export const mlserver = path.join(toolsFolder, 'mlserver', 'bin', 'mlserver');

/** The Python with the attack libraries that ours is compared with; it borrows PyTorch from the system's Python. */
export const peersPython = path.join(toolsFolder, 'peers', 'bin', 'python');

/** The Python of the virtual environment with what the tests of Python clients and of exported models need. */
export const python = path.join(toolsFolder, 'python', 'bin', 'python');

/**
 * Installs grpcurl, an S3 server, a Python with the clients' packages, and MLServer, where they are missing, into the tools folder.
 * A tool that cannot be had is named in the log; the tests that need it then fail in CI and are skipped elsewhere.
 */
export async function installTestTools({ log }) {
  mkdirSync(toolsFolder, { recursive: true });
  for (const [name, module] of Object.entries(goTools)) {
    if (existsSync(path.join(toolsFolder, name)) || hasProgram(name)) continue;
    if (!hasProgram('go')) {
      log(`${name} is missing, and there is no Go to install it with (go install ${module})`);
      continue;
    }
    log(`installing ${name}`);
    const { code, output } = await runCommand('go', ['install', '-ldflags', '-s -w', module], {
      env: { GOBIN: toolsFolder, GOFLAGS: '-buildvcs=false' },
      quiet: true,
    });
    if (code !== 0) log(`${name} could not be installed:\n${output.split('\n').slice(-5).join('\n')}`);
  }
  await installPythonPackages('python', pythonPackages, { log });
  await installPythonPackages('mlserver', ['mlserver==1.7.1'], { log });
  await installAttackLibraries({ log });
}

/** Makes the environment of the attack libraries on top of the system's Python and its PyTorch (Debian: python3-torch). */
async function installAttackLibraries({ log }) {
  const folder = path.join(toolsFolder, 'peers');
  const stamp = path.join(folder, '.percept-packages');
  const wanted = attackLibraries.map((name) => `"${name}"`).join(' ');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const { code: withoutTorch } = await runCommand('/usr/bin/python3', ['-c', 'import torch'], { quiet: true });
  if (withoutTorch !== 0) {
    log('the attack libraries are left out: the system Python has no PyTorch (apt-get install python3-torch)');
    return;
  }
  log('installing foolbox, torchattacks, ART and AutoAttack');
  const { code, output } = await runCommand(
    'sh',
    [
      '-c',
      `/usr/bin/python3 -m venv --system-site-packages "${folder}" && "${peersPython}" -m pip install -q --no-deps ${wanted}`,
    ],
    { quiet: true },
  );
  if (code === 0) writeFileSync(stamp, wanted);
  else log(`the attack libraries could not be installed:\n${output.split('\n').slice(-5).join('\n')}`);
}

/** Makes a virtual environment, and again when the list of its packages has changed. */
async function installPythonPackages(name, packages, { log }) {
  const folder = path.join(toolsFolder, name);
  const stamp = path.join(folder, '.percept-packages');
  const wanted = packages.join(' ');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  log(`installing ${packages.join(', ')}`);
  const { code, output } = await runCommand(
    'sh',
    ['-c', `python3 -m venv "${folder}" && "${path.join(folder, 'bin', 'python')}" -m pip install -q ${wanted}`],
    { quiet: true },
  );
  if (code === 0) writeFileSync(stamp, wanted);
  else log(`${wanted} could not be installed:\n${output.split('\n').slice(-5).join('\n')}`);
}
