/** How far a running attack has come. */
export interface AttackProgress {
  readonly images: number;
  readonly finished: number;
  readonly succeeded: number;
  readonly gradientImageSteps: number;
  /** The most gradient image-steps this attack can take; early successes take fewer. */
  readonly gradientImageStepsAtMost: number;
}

/** How a caller follows and stops an attack. */
export interface AttackHooks {
  /** Checked before every step; the attack then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every step of the working batch. */
  onStep?(progress: AttackProgress): void;
  /** Called when restart 0 of image `index` has taken `step` steps, every `snapshotsEvery`; `image` must not be changed. */
  onSnapshot?(index: number, step: number, image: Float32Array): void;
  /** One budget per image instead of options.epsilon for all; each >= 0. */
  readonly epsilons?: Float64Array;
  /** The model's logits of `images` (n x classes) where the caller has them, sparing a forward pass per image. */
  readonly cleanLogits?: Float32Array;
}
