import { crc32 } from 'node:zlib';
import { TorchCheckpointError } from './torch-checkpoint-error.js';

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const endBytes = 22;
const entryBytes = 46;
const localBytes = 30;
const longestComment = 0xffff;

/**
 * Reads the entries of a zip archive as `torch.save` writes it: stored without compression, below 4 GiB. Every entry is checked against
 * its CRC-32. The entries are views of `bytes`.
 *
 * @throws TorchCheckpointError.
 */
export function readZipEntries(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  const entries = new Map<string, Uint8Array>();
  let at = view.getUint32(end + 16, true);
  for (let i = 0; i < count; i++) {
    if (at + entryBytes > end || view.getUint32(at, true) !== entrySignature) {
      throw new TorchCheckpointError(`entry ${i} of the zip directory is broken`);
    }
    const nameBytes = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + entryBytes, at + entryBytes + nameBytes));
    if (entries.has(name)) throw new TorchCheckpointError(`two entries are called ${name}`);
    entries.set(name, readEntry(bytes, view, at, name));
    at += entryBytes + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

function findEnd(view: DataView): number {
  const first = Math.max(0, view.byteLength - endBytes - longestComment);
  for (let at = view.byteLength - endBytes; at >= first; at--) {
    if (view.getUint32(at, true) === endSignature) return at;
  }
  throw new TorchCheckpointError(
    'its zip directory is missing; it is truncated, or not in the zip format of PyTorch 1.6 and later',
  );
}

function readEntry(bytes: Uint8Array, view: DataView, at: number, name: string): Uint8Array {
  const method = view.getUint16(at + 10, true);
  const size = view.getUint32(at + 24, true);
  const local = view.getUint32(at + 42, true);
  if (method !== 0 || view.getUint32(at + 20, true) !== size) {
    throw new TorchCheckpointError(`${name} is compressed; PyTorch stores without compression`);
  }
  if (local + localBytes > bytes.byteLength || view.getUint32(local, true) !== localSignature) {
    throw new TorchCheckpointError(`${name} does not begin where the zip directory says`);
  }
  const start = local + localBytes + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  if (start + size > bytes.byteLength) throw new TorchCheckpointError(`${name} ends beyond the file`);
  const content = bytes.subarray(start, start + size);
  if (crc32(content) !== view.getUint32(at + 16, true)) {
    throw new TorchCheckpointError(`${name} is corrupt: its CRC-32 is not the one in the zip directory`);
  }
  return content;
}
