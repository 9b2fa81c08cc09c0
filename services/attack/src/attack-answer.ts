import type { AttackResult as DomainResult } from '@percept/attacks';
import { goalClasses } from '@percept/attacks';
import {
  type AttackResult,
  type AttackSnapshot,
  type AttackSummary,
  encodeTensor,
  type ImageOutcome,
} from '@percept/contracts';
import { describeAttack } from '@percept/messages';
import type { Computing } from './compute-attack.js';
import type { PreparedAttack } from './validate-attack-call.js';

/** The contract's answer to a computed attack: images, one outcome per image in the order given, a summary and how it was computed. */
export function answerAttack(
  prepared: PreparedAttack,
  result: DomainResult,
  pool: Computing,
  wallSeconds: number,
): AttackResult {
  const { attacked, resolved, plan, asked } = prepared;
  const images = resolved.sampleIds.length;
  const shape = [images, ...attacked.shape];
  return {
    images: asked.omitImages ? undefined : encodeTensor(result.images, shape),
    originals: asked.includeOriginals ? encodeTensor(resolved.images, shape) : undefined,
    outcomes: outcomes(prepared, result),
    snapshots: result.snapshots.map(({ step, images: shown }) => snapshotMessage(step, shown, shape)),
    summary: summarise(result, images),
    options: describeAttack(asked.options?.method ?? '', plan),
    execution: {
      modelDigest: attacked.kind === 'registered' ? attacked.model.digest : '',
      modelId: attacked.kind === 'registered' ? attacked.model.id : '',
      engine: pool.engine,
      dtype: 'float32',
      wallSeconds,
      gradientImageSteps: result.cost.gradientImageSteps,
      forwardImagePasses: result.cost.forwardImagePasses,
    },
  };
}

/** One snapshot as a message; `shape` is [images, height, width, channels]. */
export function snapshotMessage(step: number, images: Float32Array, shape: readonly number[]): AttackSnapshot {
  return { step, images: encodeTensor(images, shape) };
}

function outcomes({ goal, resolved: { sampleIds, labels } }: PreparedAttack, result: DomainResult): ImageOutcome[] {
  const goals = goal.kind === 'leave-predictions' ? result.predictionBefore : goalClasses(goal);
  return Array.from(sampleIds, (sampleId, i) => ({
    success: at(result.success, i) === 1,
    successAt8Bits: result.successAt8Bits === undefined ? undefined : at(result.successAt8Bits, i) === 1,
    predictionBefore: at(result.predictionBefore, i),
    predictionAfter: at(result.predictionAfter, i),
    confidenceBefore: at(result.confidenceBefore, i),
    confidenceAfter: at(result.confidenceAfter, i),
    goalConfidenceBefore: at(result.goalConfidenceBefore, i),
    goalConfidenceAfter: at(result.goalConfidenceAfter, i),
    lossBefore: at(result.lossBefore, i),
    lossAfter: at(result.lossAfter, i),
    distances: {
      l1: at(result.distances.l1, i),
      l2: at(result.distances.l2, i),
      linf: at(result.distances.linf, i),
      askedNorm: at(result.distances.norm, i),
    },
    stepsUsed: at(result.gradientSteps, i),
    restartsUsed: at(result.restartsUsed, i),
    zeroGradientSteps: at(result.zeroGradientSteps, i),
    goalClass: at(goals, i),
    sampleId,
    label: labels?.[i],
    keptRestart: at(result.keptRestart, i),
    keptStep: at(result.keptStep, i),
    keptAttack: result.keptAttack[i] as string,
    queriesUsed: at(result.queries, i),
    unconfirmedSuccesses: at(result.unconfirmedSuccesses, i),
  }));
}

/** Counts over all images; distances are the asked norm's, over successes only. */
export function summarise(result: DomainResult, images: number): AttackSummary {
  const successes = count(result.success, (value) => value === 1);
  const distances = [...result.distances.norm].filter((_, i) => result.success[i] === 1).sort((a, b) => a - b);
  return {
    images,
    successes,
    successRate: images === 0 ? 0 : successes / images,
    successesAt8Bits: result.successAt8Bits === undefined ? 0 : count(result.successAt8Bits, (value) => value === 1),
    medianDistance: median(distances),
    imagesWithZeroGradient: count(result.zeroGradientSteps, (value) => value > 0),
    unconfirmedSuccesses: result.unconfirmedSuccesses.reduce((sum, passes) => sum + passes, 0),
  };
}

function median(sorted: readonly number[]): number | undefined {
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

function count(values: Uint8Array | Int32Array, accepts: (value: number) => boolean): number {
  let total = 0;
  for (const value of values) if (accepts(value)) total++;
  return total;
}

function at(values: { readonly [index: number]: number }, index: number): number {
  return values[index] as number;
}
