import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');

/** The packages that nx holds affected by a change of one file. */
function affectedBy(file: string): string[] {
  const printed = execFileSync('npx', ['nx', 'show', 'projects', '--affected', `--files=${file}`, '--json'], {
    cwd: root,
    env: { ...process.env, NX_DAEMON: 'false' },
    encoding: 'utf8',
  });
  return JSON.parse(printed) as string[];
}

describe('the repository', () => {
  it('sees a change of a proto file as a change of all that depends on the contracts', () => {
    const affected = affectedBy('proto/percept/v1/attack.proto');
    for (const name of ['contracts', 'platform', 'gateways', 'attack-service', 'evaluation-service', 'cli'])
      expect(affected).toContain(`@percept/${name}`);
    expect(affected).not.toContain('@percept/attacks');
  });

  it('sees a change of the tensor library as a change of the domain and of the services, not of the contracts', () => {
    const affected = affectedBy('libs/tensor/src/index.ts');
    for (const name of ['models', 'attacks', 'recipes', 'attack-service'])
      expect(affected).toContain(`@percept/${name}`);
    expect(affected).not.toContain('@percept/contracts');
  });

  it('locks packages by digest without the address of a registry', () => {
    const lock = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { resolved?: string; link?: boolean; integrity?: string; version?: string }>;
    };
    const installed = Object.entries(lock.packages).filter(
      ([path, { link }]) => path.includes('node_modules/') && !link,
    );
    expect(installed.length).toBeGreaterThan(100);
    expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(installed.filter(([, { integrity }]) => integrity === undefined)).toEqual([]);
  });

  it('runs in CI what is there: every test path of the workflow exists', () => {
    const workflow = read('.github/workflows/ci.yml');
    const paths = [...workflow.matchAll(/vitest run (.+)$/gm)].flatMap(([, args]) => (args as string).split(' '));
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !existsSync(`${root}${path}`))).toEqual([]);
  });
});
