import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type FileChunk, joinFileChunks } from '@percept/contracts';
import type { PerceptClient } from './percept-client.js';

/** Fetches every file of a report into a folder, verified by its digest; answers with the folder of `report.html`. */
export async function downloadReport(
  client: PerceptClient,
  reportId: string,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  const { artifacts } = await client.evaluation.getReport({ reportId }, { signal });
  for (const { name } of artifacts) {
    const file = path.join(folder, ...name.split('/'));
    if (path.relative(folder, file).startsWith('..'))
      throw new Error(`the report names a file outside its folder: ${name}`);
    await mkdir(path.dirname(file), { recursive: true });
    const [joined] = await collect(client.evaluation.getArtifact({ reportId, name }, { signal }));
    if (joined === undefined) throw new Error(`${name} arrived empty`);
    await writeFile(file, joined.bytes);
  }
  return path.join(folder, 'report.html');
}

async function collect(answers: AsyncIterable<{ chunk?: FileChunk | undefined }>): Promise<{ bytes: Uint8Array }[]> {
  const chunks = async function* (): AsyncGenerator<FileChunk> {
    for await (const { chunk } of answers) if (chunk) yield chunk;
  };
  const files: { bytes: Uint8Array }[] = [];
  for await (const file of joinFileChunks(chunks(), { maxBytes: 2 ** 31, maxFiles: 1 })) files.push(file);
  return files;
}
