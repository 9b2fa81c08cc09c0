import { createHash } from 'node:crypto';

/** SHA-256 of the parts one after the other, 64 lower-case hex digits. */
export function sha256Hex(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Whether a text is a SHA-256 as the contracts write it. */
export function isSha256Hex(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
