import { encode } from 'fast-png';

/** Size of an image in pixels. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
  /** 1 or 3. */
  readonly channels: number;
}

/** One flattened image in [0, 1] as an 8-bit PNG, each pixel `scale` pixels wide and high (a whole number from 1). */
export function encodePicture(
  image: Float32Array,
  { height, width, channels }: PictureSize,
  scale = 1,
): Uint8Array<ArrayBuffer> {
  if (channels !== 1 && channels !== 3) throw new RangeError(`pictures have 1 or 3 channels, not ${channels}`);
  if (image.length !== height * width * channels)
    throw new RangeError(`${image.length} values are no picture of ${height} x ${width} x ${channels}`);
  const rowLength = width * scale * channels;
  const data = new Uint8Array(height * scale * rowLength);
  for (let y = 0; y < height; y++) {
    const at = y * scale * rowLength;
    for (let x = 0; x < width * scale; x++) {
      const from = (y * width + Math.floor(x / scale)) * channels;
      for (let c = 0; c < channels; c++)
        data[at + x * channels + c] = Math.round(Math.min(1, Math.max(0, image[from + c] as number)) * 255);
    }
    for (let copy = 1; copy < scale; copy++) data.copyWithin(at + copy * rowLength, at, at + rowLength);
  }
  return Uint8Array.from(encode({ width: width * scale, height: height * scale, channels, depth: 8, data }));
}

/** How large pictures are drawn, and by which factor their pixels are enlarged. */
export interface PictureCell {
  readonly width: number;
  readonly height: number;
  readonly scale: number;
}

/**
 * The drawn size nearest to `side` at which every pixel of an image is a square of whole device pixels when a drawing is rasterised at
 * twice its size; larger images keep their shape and are drawn down.
 */
export function pictureCell({ height, width }: PictureSize, side: number): PictureCell {
  const longest = Math.max(height, width);
  if (longest >= 2 * side)
    return { width: Math.round((width * side) / longest), height: Math.round((height * side) / longest), scale: 1 };
  const scale = Math.max(1, Math.round((2 * side) / longest));
  return { width: (width * scale) / 2, height: (height * scale) / 2, scale };
}

/** A picture as an address that pages and SVGs can embed, its pixels enlarged without smoothing. */
export function pictureDataUri(image: Float32Array, size: PictureSize, scale: number): string {
  return `data:image/png;base64,${Buffer.from(encodePicture(image, size, scale)).toString('base64')}`;
}
