import { encode } from 'fast-png';

/** Size of an image in pixels. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
  /** 1 or 3. */
  readonly channels: number;
}

/** One flattened image in [0, 1] as an 8-bit PNG. */
export function encodePicture(image: Float32Array, { height, width, channels }: PictureSize): Uint8Array {
  const data = Uint8Array.from(image, (value) => Math.round(Math.min(1, Math.max(0, value)) * 255));
  return encode({ width, height, channels: channels as 1 | 3, depth: 8, data });
}

/** The same as an address that pages and SVGs can embed. */
export function pictureDataUri(image: Float32Array, size: PictureSize): string {
  return `data:image/png;base64,${Buffer.from(encodePicture(image, size)).toString('base64')}`;
}

/** Several images side by side, each enlarged `scale` times without smoothing, as one PNG; rows of equal length. */
export function pictureGrid(
  rows: readonly (readonly Float32Array[])[],
  { height, width, channels }: PictureSize,
  scale: number,
): Uint8Array {
  const gap = 2;
  const columns = Math.max(...rows.map((row) => row.length));
  const cellHeight = height * scale + gap;
  const cellWidth = width * scale + gap;
  const total = { height: rows.length * cellHeight + gap, width: columns * cellWidth + gap };
  const data = new Uint8Array(total.height * total.width * 3).fill(255);
  for (const [r, row] of rows.entries()) {
    for (const [c, image] of row.entries()) {
      for (let y = 0; y < height * scale; y++) {
        for (let x = 0; x < width * scale; x++) {
          const from = (Math.floor(y / scale) * width + Math.floor(x / scale)) * channels;
          const to = ((gap + r * cellHeight + y) * total.width + gap + c * cellWidth + x) * 3;
          for (let channel = 0; channel < 3; channel++) {
            const value = image[from + (channels === 1 ? 0 : channel)] as number;
            data[to + channel] = Math.round(Math.min(1, Math.max(0, value)) * 255);
          }
        }
      }
    }
  }
  return encode({ width: total.width, height: total.height, channels: 3, depth: 8, data });
}
