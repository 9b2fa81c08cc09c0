/** Arrays shorter than this come from JavaScript: a native one costs more than it gains. */
const shortestNative = 256;

/** Free bytes that are always worth keeping. */
const smallestFreeBytes = 64 * 2 ** 20;

/**
 * Recycles float arrays, so that a training or attack step, whose shapes repeat, allocates nothing.
 *
 * Memory is cut in four sizes an octave, so that batches of many sizes share it. What waits for reuse never exceeds what was ever in use at
 * once; beyond that the sizes that were wanted longest ago go first. An array is handed out as it was left: kernels overwrite all of it.
 */
export class BufferPool {
  readonly #allocate: (length: number) => Float32Array;
  // From capacity to the free arrays of it; the sizes that were used last stand last.
  readonly #free = new Map<number, Float32Array[]>();
  readonly #owned = new WeakSet<ArrayBufferLike>();
  readonly #escaped = new WeakSet<ArrayBufferLike>();
  #freeBytes = 0;
  #usedBytes = 0;
  #peakUsedBytes = 0;

  /** `allocate` makes an array of at least 256 values. */
  constructor(allocate: (length: number) => Float32Array) {
    this.#allocate = allocate;
  }

  /** Bytes kept for reuse, held by no tensor. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  take(length: number): Float32Array {
    const capacity = capacityFor(length);
    const recycled = this.#recycle(capacity);
    const array = recycled ?? this.#fresh(capacity);
    this.#usedBytes += array.buffer.byteLength;
    if (this.#usedBytes > this.#peakUsedBytes) this.#peakUsedBytes = this.#usedBytes;
    return array.length === length ? array : new Float32Array(array.buffer, 0, length);
  }

  /** Takes back an array of this pool that no tensor uses any more. */
  giveBack(array: Float32Array): void {
    const { buffer } = array;
    this.#usedBytes -= buffer.byteLength;
    if (this.#escaped.has(buffer)) return;
    const capacity = buffer.byteLength / Float32Array.BYTES_PER_ELEMENT;
    const waiting = this.#free.get(capacity);
    if (waiting === undefined) this.#free.set(capacity, [array]);
    else waiting.push(array);
    this.#freeBytes += buffer.byteLength;
    const most = Math.max(this.#peakUsedBytes, smallestFreeBytes);
    if (this.#freeBytes > most) this.#dropLeastRecent(most);
  }

  /** Notes that another tensor sees the memory of `values` too: such memory is left to the garbage collector. */
  noteAlias(values: ArrayBufferView): void {
    if (this.#owned.has(values.buffer)) this.#escaped.add(values.buffer);
  }

  #recycle(capacity: number): Float32Array | undefined {
    const waiting = this.#free.get(capacity);
    const array = waiting?.pop();
    if (waiting === undefined || array === undefined) return undefined;
    this.#free.delete(capacity);
    this.#free.set(capacity, waiting);
    this.#freeBytes -= array.buffer.byteLength;
    return array;
  }

  #fresh(capacity: number): Float32Array {
    const array = capacity < shortestNative ? new Float32Array(capacity) : this.#allocate(capacity);
    this.#owned.add(array.buffer);
    return array;
  }

  #dropLeastRecent(most: number): void {
    for (const [capacity, waiting] of this.#free) {
      const bytes = capacity * Float32Array.BYTES_PER_ELEMENT;
      while (this.#freeBytes > most && waiting.pop() !== undefined) this.#freeBytes -= bytes;
      if (waiting.length === 0) this.#free.delete(capacity);
      if (this.#freeBytes <= most) return;
    }
  }
}

/** The size of memory for `length` values: below 256 exact, above the next of four steps an octave. */
function capacityFor(length: number): number {
  if (length < shortestNative) return length;
  const step = 2 ** (Math.floor(Math.log2(length)) - 2);
  return Math.ceil(length / step) * step;
}
