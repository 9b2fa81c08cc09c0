import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import type { backend_util, DataId, DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Addon } from './addon.js';
import { BufferPool } from './buffer-pool.js';

/** What the backend holds of one tensor's data. */
interface TensorRecord {
  values?: backend_util.BackendValues;
  dtype: DataType;
  refCount: number;
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
  /** The values belong to the pool; absent for arrays that a caller passed in. */
  pooled?: true;
  /** An intermediate result that the gradient of this tensor's kernel wants again; lives as long as the values. */
  companion?: Float32Array;
  /** Names the values as they are now: no other values ever have the same one. Absent until somebody asks. */
  version?: number;
}

/** A fresh tensor and the array to write its values into, all of them. */
export interface Output {
  readonly info: TensorInfo;
  readonly values: Float32Array;
}

/**
 * TF.js's CPU backend with native kernels: what has none runs as JavaScript on the same arrays.
 *
 * Results live in pooled arrays; reads return copies.
 */
export class NativeBackend extends MathBackendCPU {
  readonly addon: Addon;
  readonly #pool: BufferPool;
  #lastVersion = 0;

  constructor(addon: Addon) {
    super();
    this.addon = addon;
    this.#pool = new BufferPool((length) => addon.allocate(length));
  }

  /** Sets the threads of all kernels from now on. */
  configure(threads: number): void {
    this.addon.configure(threads);
  }

  /** The values of a float32 tensor, not to be changed or kept. */
  floats(info: TensorInfo): Float32Array {
    const { values } = this.#record(info.dataId);
    // TF.js casts without a copy, so a float32 tensor may stand on integers.
    return values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>);
  }

  /** A new float32 tensor with undefined values. */
  output(shape: number[]): Output {
    let length = 1;
    for (const side of shape) length *= side;
    const values = this.#pool.take(length);
    const dataId = {};
    const record: TensorRecord = { values, dtype: 'float32', refCount: 1, pooled: true };
    this.data.set(dataId, record as never);
    return { info: { dataId, shape, dtype: 'float32' }, values };
  }

  /** A pooled array of undefined values that no tensor holds yet; the caller gives it back or makes it a companion. */
  takeScratch(length: number): Float32Array {
    return this.#pool.take(length);
  }

  giveBackScratch(values: Float32Array): void {
    this.#pool.giveBack(values);
  }

  /** Keeps a scratch array beside a tensor's values until these are disposed. */
  setCompanion(info: TensorInfo, values: Float32Array): void {
    this.#record(info.dataId).companion = values;
  }

  /** The array kept beside a tensor's values, if it has one. */
  companion(info: TensorInfo): Float32Array | undefined {
    return this.#record(info.dataId).companion;
  }

  /**
   * The values of a float32 tensor to be changed in place, or undefined when another tensor shares them.
   * An array that a caller passed in is replaced by a copy first.
   */
  exclusiveFloats(info: TensorInfo): Float32Array | undefined {
    const record = this.#record(info.dataId);
    if (record.refCount !== 1) return undefined;
    delete record.version;
    if (!record.pooled) {
      const copy = this.#pool.take((record.values as Float32Array).length);
      copy.set(record.values as Float32Array);
      record.values = copy;
      record.pooled = true;
    }
    return record.values as Float32Array;
  }

  /** A number that a tensor's values have, and no others ever: what was made of them may be kept under it. */
  version(info: TensorInfo): number {
    const record = this.#record(info.dataId);
    record.version ??= ++this.#lastVersion;
    return record.version;
  }

  override write(values: backend_util.BackendValues, _shape: number[], dtype: DataType): DataId {
    if (ArrayBuffer.isView(values)) this.#pool.noteAlias(values);
    const dataId = {};
    this.data.set(dataId, { values, dtype, refCount: 1 } as never);
    return dataId;
  }

  override readSync(dataId: DataId): backend_util.BackendValues {
    const values = super.readSync(dataId);
    return this.#record(dataId).pooled ? (values as Float32Array).slice() : values;
  }

  override async read(dataId: DataId): Promise<backend_util.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: DataId, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const record = this.#record(dataId);
    record.refCount--;
    if (!force && record.refCount > 0) return false;
    if (record.complexTensorInfos !== undefined) {
      this.disposeData(record.complexTensorInfos.real.dataId, true);
      this.disposeData(record.complexTensorInfos.imag.dataId, true);
    }
    this.data.delete(dataId);
    if (record.pooled) this.#pool.giveBack(record.values as Float32Array);
    if (record.companion !== undefined) this.#pool.giveBack(record.companion);
    return true;
  }

  /**
   * TF.js counts the tensors' bytes itself; besides, `numBytesInPool` waits for reuse, and `numBytesInKernels` is the kernels' scratch and
   * the filters that they keep in packed form.
   */
  override memory(): { unreliable: boolean; reasons: string[]; numBytesInPool: number; numBytesInKernels: number } {
    const numBytesInKernels = this.addon.keptBytes();
    return { unreliable: false, reasons: [], numBytesInPool: this.#pool.freeBytes, numBytesInKernels };
  }

  #record(dataId: DataId): TensorRecord {
    return this.data.get(dataId) as TensorRecord;
  }
}
