import type { Precision } from '@percept/tensor';

/** Iterates of restart 0 after a given number of steps; an image that had finished earlier shows its final iterate. */
export interface Snapshot {
  readonly step: number;
  /** n flattened images. */
  readonly images: Float32Array;
}

/** What an attack found, one entry per image in the order given. Images are flattened NHWC rows, distances in pixel units of [0, 1]. */
export interface AttackResult {
  /** What the steps were computed in; everything below is float32's verdict. */
  readonly precision: Precision;
  /** Passes that met the goal in bfloat16 and not in float32, and so did not count; 0 everywhere in float32. */
  readonly unconfirmedSuccesses: Int32Array;
  readonly images: Float32Array;
  /** 1 where the goal is reached with the required margin. */
  readonly success: Uint8Array;
  /** 1 where the goal is still reached after rounding to 8 bits; absent unless asked for. */
  readonly successAt8Bits?: Uint8Array;
  readonly predictionBefore: Int32Array;
  readonly predictionAfter: Int32Array;
  /** Softmax probability of the predicted class. */
  readonly confidenceBefore: Float64Array;
  readonly confidenceAfter: Float64Array;
  /** Softmax probability of the label (untargeted) or of the target (targeted). */
  readonly goalConfidenceBefore: Float64Array;
  readonly goalConfidenceAfter: Float64Array;
  /** The attacked loss: raised by an untargeted attack, lowered by a targeted one. */
  readonly lossBefore: Float64Array;
  readonly lossAfter: Float64Array;
  /** Success margin in logits at the result, and the largest |logit| it is judged against. */
  readonly marginAfter: Float64Array;
  readonly largestLogitAfter: Float64Array;
  readonly distances: {
    readonly l1: Float64Array;
    readonly l2: Float64Array;
    readonly linf: Float64Array;
    /** The norm that was asked for. */
    readonly norm: Float64Array;
  };
  /** Gradient steps spent on the image, over all restarts. */
  readonly gradientSteps: Int32Array;
  /** Restarts begun; 0 where the image itself already met the goal. */
  readonly restartsUsed: Int32Array;
  /** Restart and step of the image returned; restart -1 is the image itself. */
  readonly keptRestart: Int32Array;
  readonly keptStep: Int32Array;
  /** The member of an ensemble that found the image returned; empty for attacks that are none, and for the image itself. */
  readonly keptAttack: readonly string[];
  /** Steps whose gradient was zero (or not finite) everywhere; such a restart ends, since its iterate can no longer move. */
  readonly zeroGradientSteps: Int32Array;
  /** Passes through the model while attacking the image, with a gradient or without. */
  readonly queries: Int32Array;
  readonly snapshots: readonly Snapshot[];
  /** Forward-and-backward passes and forward-only passes, in images. */
  readonly cost: { readonly gradientImageSteps: number; readonly forwardImagePasses: number };
}
