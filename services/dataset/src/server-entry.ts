import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { rpcError } from '@percept/contracts';
import { DatasetError } from '@percept/datasets';

/**
 * Reads an entry of the import folder: one file, or every file below a folder by its path in it, with / between names. Links are not
 * followed. `entry` is a checked name, no path.
 *
 * @throws PerceptRpcError NOT_FOUND; DatasetError when there is more than `mostBytes`.
 */
export async function readServerEntry(
  folder: string,
  entry: string,
  mostBytes: number,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const root = path.join(folder, entry);
  const found = await lstat(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw rpcError('NOT_FOUND', `the import folder has no entry ${entry}`);
  });
  if (found.isFile()) return new Map([[entry, await readFile(root)]]);
  const files = new Map<string, Uint8Array>();
  let total = 0;
  for (const one of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!one.isFile()) continue;
    const file = path.join(one.parentPath, one.name);
    total += (await lstat(file)).size;
    if (total > mostBytes) throw new DatasetError(entry, `holds more than ${mostBytes} bytes`);
    files.set(path.relative(root, file).split(path.sep).join('/'), await readFile(file));
  }
  return files;
}
