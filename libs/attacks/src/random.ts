import { UniformStream } from './uniform-stream.js';

/** Distinguishes this stream from every other use of the same seed. */
const startPurpose = 1;
const inversionPurpose = 2;
const blockSize = 1024;

/** Uniforms of one image's random start: a pure function of (seed, sample id, restart). */
export function startStream(seed: number, sampleId: number, restart: number): UniformStream {
  return new UniformStream((block) => philoxBlock(seed, startPurpose, sampleId, restart, block));
}

/** Uniforms of one inversion start: a pure function of (seed, sample id), the same for every model. */
export function inversionStream(seed: number, sampleId: number): UniformStream {
  return new UniformStream((block) => philoxBlock(seed, inversionPurpose, sampleId, 0, block));
}

/** Philox 4x32-10 (Salmon et al., 2011): key = seed, counter = (position, purpose and block, sample, restart). */
function philoxBlock(seed: number, purpose: number, sample: number, restart: number, block: number): Float64Array {
  const values = new Float64Array(blockSize);
  for (let i = 0; i < blockSize / 4; i++) {
    let counter: [number, number, number, number] = [i, (purpose << 24) ^ block, sample, restart];
    let k0 = seed >>> 0;
    let k1 = Math.floor(seed / 2 ** 32) >>> 0;
    for (let round = 0; round < 10; round++) {
      const [lowA, highA] = multiply(0xd2511f53, counter[0]);
      const [lowB, highB] = multiply(0xcd9e8d57, counter[2]);
      counter = [(highB ^ counter[1] ^ k0) >>> 0, lowB, (highA ^ counter[3] ^ k1) >>> 0, lowA];
      k0 = (k0 + 0x9e3779b9) >>> 0;
      k1 = (k1 + 0xbb67ae85) >>> 0;
    }
    for (let lane = 0; lane < 4; lane++) values[i * 4 + lane] = (counter[lane] as number) / 2 ** 32;
  }
  return values;
}

function multiply(a: number, b: number): [number, number] {
  const product = BigInt(a) * BigInt(b >>> 0);
  return [Number(product & 0xffffffffn), Number(product >> 32n)];
}
