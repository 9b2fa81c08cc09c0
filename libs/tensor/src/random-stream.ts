import { type PhiloxKey, philoxBlock } from './philox.js';

/** What a stream of random numbers is for and about; equal keys give equal numbers, different keys independent ones. */
export interface RandomKey {
  /** Integer in 0 .. 2^53 - 1. */
  readonly seed: number;
  /** Keeps uses of one seed apart, for example `initial weights`. */
  readonly purpose: string;
  /** Unsigned 32-bit integers; 0 where they have no meaning. */
  readonly sample?: number;
  readonly restart?: number;
  readonly step?: number;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}

function requireUint32(name: string, value: number): void {
  if (value >>> 0 !== value) throw new RangeError(`${name} must be an unsigned 32-bit integer, got ${value}`);
}

/** Random numbers of one key, taken in order; the n-th number is a pure function of the key and n. */
export class RandomStream {
  readonly #key: PhiloxKey;
  readonly #words: readonly [number, number, number];
  readonly #block = new Uint32Array(4);
  #next = 0;
  #spareNormal: number | undefined;

  /** @throws RangeError when a part of the key is out of range. */
  constructor(key: RandomKey) {
    const { seed, purpose, sample = 0, restart = 0, step = 0 } = key;
    if (!Number.isSafeInteger(seed) || seed < 0)
      throw new RangeError(`seed must be an integer from 0 to 2^53 - 1, got ${seed}`);
    requireUint32('sample', sample);
    requireUint32('restart', restart);
    requireUint32('step', step);
    this.#key = [seed >>> 0, (Math.floor(seed / 2 ** 32) ^ hash(purpose)) >>> 0];
    this.#words = [sample, restart, step];
  }

  /** The next unsigned 32-bit integer. */
  nextUint32(): number {
    const lane = this.#next & 3;
    if (lane === 0) {
      const [sample, restart, step] = this.#words;
      philoxBlock(this.#key, [this.#next >>> 2, sample, restart, step], this.#block, 0);
    }
    this.#next++;
    return this.#block[lane] as number;
  }

  /** The next number of [0, 1), a multiple of 2^-24, so that it is exact in float32. */
  nextUniform(): number {
    return (this.nextUint32() >>> 8) / 0x1000000;
  }

  /** The next number of the standard normal distribution (Box and Muller). */
  nextNormal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log((this.nextUint32() + 1) / 2 ** 32));
    const angle = (2 * Math.PI * this.nextUint32()) / 2 ** 32;
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** The next integer of 0 .. bound - 1, without bias; `bound` in 1 .. 2^32. */
  nextInteger(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const value = this.nextUint32();
      if (value < limit) return value % bound;
    }
  }
}

/** `count` float32 numbers, uniform in [lower, upper]. */
export function uniformArray(key: RandomKey, count: number, lower: number, upper: number): Float32Array {
  const stream = new RandomStream(key);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = lower + (upper - lower) * stream.nextUniform();
  return values;
}

/** A vector drawn uniformly from the unit sphere of `size` dimensions. */
export function unitSphereVector(key: RandomKey, size: number): Float32Array {
  const stream = new RandomStream(key);
  const values = Float64Array.from({ length: size }, () => stream.nextNormal());
  const length = Math.hypot(...values);
  return Float32Array.from(values, (value) => value / length);
}

/** A random order of 0 .. count - 1 (Fisher and Yates). */
export function permutation(key: RandomKey, count: number): Uint32Array {
  const stream = new RandomStream(key);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = stream.nextInteger(i + 1);
    const kept = order[i] as number;
    order[i] = order[j] as number;
    order[j] = kept;
  }
  return order;
}
