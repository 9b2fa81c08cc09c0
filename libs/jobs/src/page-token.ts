import { InvalidPageTokenError } from './errors.js';

/** Where a page ended. */
export interface PagePosition {
  readonly createTime: string;
  readonly id: string;
}

export function encodePageToken(position: PagePosition): string {
  return Buffer.from(`${position.createTime} ${position.id}`).toString('base64url');
}

/** @throws InvalidPageTokenError. */
export function decodePageToken(token: string): PagePosition {
  const text = Buffer.from(token, 'base64url').toString();
  const [createTime, id, ...rest] = text.split(' ');
  if (id === undefined || id === '' || rest.length > 0 || Number.isNaN(Date.parse(createTime ?? ''))) {
    throw new InvalidPageTokenError();
  }
  return { createTime: createTime ?? '', id };
}
