/** Arrays shorter than this come from JavaScript: a native one costs more than it gains. */
const shortestNative = 256;

/**
 * Recycles float arrays by exact length, so that a training or attack step, whose shapes repeat, allocates nothing.
 * An array is handed out as it was left: kernels overwrite all of it.
 */
export class BufferPool {
  readonly #allocate: (length: number) => Float32Array;
  readonly #free = new Map<number, Float32Array[]>();
  readonly #owned = new WeakSet<ArrayBufferLike>();
  readonly #escaped = new WeakSet<ArrayBufferLike>();
  readonly #maximumFreeBytes: number;
  #freeBytes = 0;

  constructor(allocate: (length: number) => Float32Array, maximumFreeBytes: number) {
    this.#allocate = allocate;
    this.#maximumFreeBytes = maximumFreeBytes;
  }

  /** Bytes kept for reuse, held by no tensor. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  take(length: number): Float32Array {
    const recycled = this.#free.get(length)?.pop();
    if (recycled !== undefined) {
      this.#freeBytes -= recycled.byteLength;
      return recycled;
    }
    const fresh = length < shortestNative ? new Float32Array(length) : this.#allocate(length);
    this.#owned.add(fresh.buffer);
    return fresh;
  }

  /** Takes back an array that no tensor uses any more. */
  giveBack(array: Float32Array): void {
    if (this.#escaped.has(array.buffer)) return;
    if (this.#freeBytes + array.byteLength > this.#maximumFreeBytes) this.#dropAll();
    const waiting = this.#free.get(array.length);
    if (waiting === undefined) this.#free.set(array.length, [array]);
    else waiting.push(array);
    this.#freeBytes += array.byteLength;
  }

  /** Notes that another tensor sees the memory of `values` too: such memory is left to the garbage collector. */
  noteAlias(values: ArrayBufferView): void {
    if (this.#owned.has(values.buffer)) this.#escaped.add(values.buffer);
  }

  #dropAll(): void {
    this.#free.clear();
    this.#freeBytes = 0;
  }
}
