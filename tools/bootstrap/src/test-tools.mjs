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

/** The Python of the virtual environment with what the tests of Python clients and of exported models need. */
export const python = path.join(toolsFolder, 'python', 'bin', 'python');

/**
 * Installs grpcurl, an S3 server and a Python with the clients' packages, where they are missing, into the tools folder.
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
  await installPythonPackages({ log });
}

/** Makes the virtual environment, and again when the list of packages has changed. */
async function installPythonPackages({ log }) {
  const folder = path.join(toolsFolder, 'python');
  const stamp = path.join(folder, '.percept-packages');
  const wanted = pythonPackages.join(' ');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  log(`installing ${pythonPackages.join(', ')} for the Python clients`);
  const { code, output } = await runCommand(
    'sh',
    ['-c', `python3 -m venv "${folder}" && "${python}" -m pip install -q ${wanted}`],
    { quiet: true },
  );
  if (code === 0) writeFileSync(stamp, wanted);
  else log(`the Python packages could not be installed:\n${output.split('\n').slice(-5).join('\n')}`);
}
