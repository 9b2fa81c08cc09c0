/** One batch of labelled images. */
export interface Batch {
  /** n flattened NHWC images in [0, 1]. */
  readonly images: Float32Array;
  readonly labels: Int32Array;
  /** Identities in the data set, keys of the samples' random numbers. */
  readonly sampleIds: Int32Array;
}

/** The batches of every epoch; each a pure function of its epoch and index, so that a resumed training sees the same ones. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  batch(epoch: number, index: number): Batch | Promise<Batch>;
}
