import type { Aim, LossName } from './losses.js';

/** What the gradient of a pass is of: an objective that the attack raises, or the difference between two logits. */
export type Direction =
  | { readonly kind: 'loss'; readonly aim: Aim; readonly loss: LossName }
  | { readonly kind: 'difference'; readonly raise: number; readonly lower: number };

/** What a search asks about one point. */
export interface Pass {
  /** Absent: a forward pass is enough. */
  readonly direction?: Direction;
  /** One flattened image within the box; must not be changed afterwards. */
  readonly point: Float32Array;
  /** Whether the point lies within the budget, so that it may be returned. */
  readonly withinBudget: boolean;
  /** Which member of an ensemble asks. */
  readonly attack: string;
  readonly restart: number;
  readonly step: number;
}

/** The answer to a pass. */
export interface Seen {
  readonly logits: Float32Array;
  /** Gradient of the direction asked for (of a loss: up to a positive factor); empty after a forward pass. */
  readonly gradient: Float32Array;
  /** Whether the point meets the attack's goal, within the budget or not. */
  readonly reached: boolean;
}

/**
 * An attack on one image, as a coroutine: it yields the points it wants to know about and is sent what the model says there.
 *
 * Whoever runs it gathers the passes of many images into batches, keeps the best point and may leave off at any time. A search sees only its own
 * image, so that its result cannot depend on batch mates. It returns whether it reached the goal within the budget.
 */
export type Search = SearchPart<boolean>;

/** A stretch of a search that ends in something else than its success. */
export type SearchPart<Outcome> = Generator<Pass, Outcome, Seen>;

/** One image under attack, as a search sees it. */
export interface SearchProblem {
  /** Flattened NHWC image in [0, 1]. */
  readonly image: Float32Array;
  /** Height, width, channels. */
  readonly shape: readonly [number, number, number];
  readonly classes: number;
  /** Key of the image's random numbers. */
  readonly sampleId: number;
  readonly aim: Aim;
  readonly cleanLogits: Float32Array;
  /** The norm's p in [1, Infinity], and the budget in pixel units. */
  readonly norm: number;
  readonly epsilon: number;
  readonly seed: number;
}
