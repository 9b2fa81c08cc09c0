import { existsSync, mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hasProgram, runCommand } from './run-command.mjs';

/** Where the programs that the full tests run against are kept between runs. */
export const toolsFolder = process.env.PERCEPT_PARTS_DIR ?? path.join(os.homedir(), '.cache', 'percept', 'parts');

const goTools = {
  grpcurl: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4',
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
};

/** The Python of the virtual environment that the Python client's test uses. */
export const python = path.join(toolsFolder, 'python', 'bin', 'python');

/**
 * Installs grpcurl, an S3 server and a Python with grpcio, where they are missing, into the tools folder.
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
  if (!existsSync(python)) {
    log('installing grpcio for the Python client');
    const { code, output } = await runCommand(
      'sh',
      [
        '-c',
        `python3 -m venv "${toolsFolder}/python" && "${python}" -m pip install -q grpcio==1.81.1 grpcio-tools==1.81.1 numpy`,
      ],
      { quiet: true },
    );
    if (code !== 0) log(`grpcio could not be installed:\n${output.split('\n').slice(-5).join('\n')}`);
  }
}
