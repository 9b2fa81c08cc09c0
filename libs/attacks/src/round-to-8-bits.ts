/** The image as an 8-bit file would store it: every pixel rounded to the nearest multiple of 1/255. `image` lies in [0, 1]. */
export function roundTo8Bits(image: Float32Array): Float32Array {
  const rounded = new Float32Array(image.length);
  for (let i = 0; i < image.length; i++) {
    rounded[i] = Math.min(Math.max(Math.round((image[i] as number) * 255), 0), 255) / 255;
  }
  return rounded;
}
