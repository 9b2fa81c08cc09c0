import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';

/** One file of the built page, held in memory. */
export interface PageFile {
  readonly body: Buffer;
  readonly mediaType: string;
  readonly immutable: boolean;
}

/** The page has not been built. */
export class PageMissingError extends Error {
  override readonly name = 'PageMissingError';
}

const mediaTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
};

async function* filesUnder(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(file);
    else if (entry.isFile()) yield file;
  }
}

/**
 * Reads the built page into a table from address path to file, so that no path of a request ever reaches the file system.
 * @throws PageMissingError when there is no built page in the folder
 */
export async function loadPage(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  const index = await stat(path.join(folder, 'index.html')).catch(() => undefined);
  if (index === undefined) {
    throw new PageMissingError(
      `There is no built page in ${folder}: run "npm run build:page -w @percept/dashboard-service".`,
    );
  }
  const files = new Map<string, PageFile>();
  for await (const file of filesUnder(folder)) {
    const name = path.relative(folder, file).split(path.sep).join('/');
    files.set(`/${name}`, {
      body: await readFile(file),
      mediaType: mediaTypes[path.extname(file)] ?? 'application/octet-stream',
      immutable: name.startsWith('assets/'),
    });
  }
  const page = files.get('/index.html');
  if (page) files.set('/', page);
  return files;
}
