import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeVersionProblem } from './node-version.mjs';
import { runCommand } from './run-command.mjs';
import { engineParts, ensureSystemParts } from './system-packages.mjs';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Stops the set-up with one sentence for the user. */
export class SetupError extends Error {
  name = 'SetupError';
}

const log = (message) => console.error(`percept: ${message}`);

async function step(title, work) {
  const started = Date.now();
  log(`${title} ...`);
  const note = await work();
  log(`${title}: ${note ?? 'done'} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
}

async function must(program, args, problem) {
  const { code, output } = await runCommand(program, args, { cwd: root, quiet: true });
  if (code === 0) return;
  throw new SetupError(`${problem}:\n${output.split('\n').slice(-30).join('\n')}`);
}

async function installPackages() {
  const digest = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = path.join(root, 'node_modules', '.percept-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return 'up to date';
  await must('npm', ['ci', '--no-audit', '--no-fund'], 'npm ci failed');
  writeFileSync(stamp, digest);
  return 'installed';
}

async function buildEngine() {
  const missing = await ensureSystemParts(engineParts, { log });
  const strict = process.env.CI !== undefined;
  const { code, output } =
    missing.length === 0
      ? await runCommand(process.execPath, ['libs/engine-native/scripts/build.mjs'], { cwd: root, quiet: true })
      : { code: 1, output: `missing: ${missing.join(', ')}` };
  if (code === 0) return 'built';
  const reason = output.split('\n').slice(-20).join('\n');
  if (strict) throw new SetupError(`the native engine could not be built:\n${reason}`);
  log(
    `WARNING: the native engine could not be built, so the portable engine is used: correct, but many times slower.\n${reason}`,
  );
  return 'not built';
}

/**
 * Makes a clean clone ready to run: packages, the native engine (or a warning), the TypeScript build and the dashboard's page.
 * Safe to repeat: what is up to date is left alone. Throws SetupError with one clear sentence.
 */
export async function setup() {
  const problem = nodeVersionProblem();
  if (problem) throw new SetupError(problem);
  await step('packages', installPackages);
  await step('native engine', buildEngine);
  await step('TypeScript', () => must('npx', ['tsc', '--build'], 'the TypeScript build failed'));
  await step('dashboard page', () =>
    must('npm', ['run', 'build:page', '-w', '@percept/dashboard-service'], 'the page did not build'),
  );
}
