import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generate, generated, root } from './generate.mjs';

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

const fresh = mkdtempSync(path.join(tmpdir(), 'percept-generated-'));
try {
  generate(fresh);
  const committedFolder = path.join(root, generated);
  const freshFolder = path.join(fresh, generated);
  const names = [...new Set([...filesBelow(committedFolder), ...filesBelow(freshFolder)])];
  const read = (folder, name) => {
    try {
      return readFileSync(path.join(folder, name), 'utf8');
    } catch (error) {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    }
  };
  const stale = names.filter((name) => read(committedFolder, name) !== read(freshFolder, name));
  for (const name of stale) console.error(`${generated}/${name} does not match the proto files`);
  console.log(
    stale.length === 0
      ? `generated code: ${names.length} files match the proto files`
      : 'run: npm run generate -w @percept/contracts',
  );
  process.exitCode = stale.length === 0 ? 0 : 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
