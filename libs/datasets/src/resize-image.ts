/** The source pixels that one target pixel covers along an axis, with their shares, which add up to 1. */
type Cover = readonly (readonly [pixel: number, share: number])[];

/**
 * Scales an image of bytes, [height, width, channels] row-major, to size x size: each target pixel is the mean of the area that it covers,
 * rounded to the nearest byte. An image of that size already is left as it is.
 */
export function resizeImage(
  pixels: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  size: number,
): Uint8Array {
  if (height === size && width === size) return pixels;
  const rows = coverage(height, size);
  const columns = coverage(width, size);
  const resized = new Uint8Array(size * size * channels);
  for (const [y, coveredRows] of rows.entries()) {
    for (const [x, coveredColumns] of columns.entries()) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (const [row, rowShare] of coveredRows) {
          for (const [column, columnShare] of coveredColumns) {
            sum += rowShare * columnShare * (pixels[(row * width + column) * channels + c] as number);
          }
        }
        resized[(y * size + x) * channels + c] = Math.round(sum);
      }
    }
  }
  return resized;
}

function coverage(from: number, to: number): Cover[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, target) => {
    const [start, end] = [target * scale, (target + 1) * scale];
    const covered: [number, number][] = [];
    for (let pixel = Math.floor(start); pixel < Math.min(from, Math.ceil(end)); pixel++) {
      const share = (Math.min(end, pixel + 1) - Math.max(start, pixel)) / scale;
      if (share > 0) covered.push([pixel, share]);
    }
    return covered;
  });
}
