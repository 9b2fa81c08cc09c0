import { uniformArray } from '@percept/tensor';

const extremes = [0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff];

/**
 * Wrong inputs made from sound ones, a pure function of the seed: flipped bits, extreme integers at any place, cut and doubled parts, parts of one input
 * within another, digits of a text replaced, and bytes without any order.
 */
export function* mutations(sound: readonly Uint8Array[], count: number, seed: number): Generator<Uint8Array> {
  const below = drawer(seed);
  for (let i = 0; i < count; i++) {
    const base = Buffer.from(sound[below(sound.length)] as Uint8Array);
    let bytes: Buffer = base;
    for (let changes = 1 + below(3); changes > 0; changes--) bytes = changed(bytes, sound, below);
    yield new Uint8Array(bytes);
  }
}

/** A whole number of at least 0 and below the limit. */
export type Below = (limit: number) => number;

/** Draws numbers that follow from the seed. */
export function drawer(seed: number): Below {
  let at = 0;
  let block: Float32Array = new Float32Array(0);
  let step = 0;
  return (limit) => {
    if (at === block.length) {
      block = uniformArray({ seed, purpose: 'bad input', step: step++ }, 4_096, 0, 1);
      at = 0;
    }
    return Math.min(limit - 1, Math.floor((block[at++] as number) * limit));
  };
}

function changed(bytes: Buffer, sound: readonly Uint8Array[], below: Below): Buffer {
  const length = Math.max(1, bytes.length);
  const at = below(length);
  switch (below(8)) {
    case 0: {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[at] = (copy[at] as number) ^ (1 << below(8));
      return copy;
    }
    case 1: {
      const copy = Buffer.from(bytes);
      const value = extremes[below(extremes.length)] as number;
      if (at + 4 <= copy.length) {
        if (below(2) === 0) copy.writeUInt32BE(value, at);
        else copy.writeUInt32LE(value, at);
      }
      return copy;
    }
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(length))]);
    case 4: {
      const other = Buffer.from(sound[below(sound.length)] as Uint8Array);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(below(Math.max(1, other.length)))]);
    }
    case 5:
      return Buffer.from(
        bytes.toString('latin1').replace(/\d+/, () => String(extremes[below(extremes.length)])),
        'latin1',
      );
    case 6: {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[at] = below(256);
      return copy;
    }
    default:
      return Buffer.from(Array.from({ length: below(64) }, () => below(256)));
  }
}
