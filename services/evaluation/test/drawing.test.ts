import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it.each(['reportArtifacts', 'labellingFiles'])(
  'leaves %s, which draws for seconds, to the tasks of compute workers',
  (drawing) => {
    const folder = new URL('../src/', import.meta.url);
    const users = readdirSync(folder).filter((file) => readFileSync(new URL(file, folder), 'utf8').includes(drawing));
    expect(users).toEqual(['tasks.ts']);
  },
);
