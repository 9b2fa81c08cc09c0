/** A triangular schedule: the learning rate rises to its peak and falls to 0; the momentum may fall and rise against it. */
export interface CyclicSchedule {
  readonly totalSteps: number;
  /** The step of the highest rate. */
  readonly peakStep: number;
  readonly maxLearningRate: number;
  readonly momentum: number;
  /** The momentum at the peak; equal to `momentum` where it does not cycle (the published code cycles to 0.8 unawares). */
  readonly momentumAtPeak: number;
}

/** Rate and momentum of one optimiser step. */
export interface ScheduledStep {
  readonly learningRate: number;
  readonly momentum: number;
}

/** The schedule's values at `step`, counted from 0; the first step has rate 0, as in the published code. */
export function scheduledStep(schedule: CyclicSchedule, step: number): ScheduledStep {
  const { totalSteps, peakStep, maxLearningRate, momentum, momentumAtPeak } = schedule;
  const share =
    step <= peakStep ? step / Math.max(1, peakStep) : (totalSteps - step) / Math.max(1, totalSteps - peakStep);
  const height = Math.min(1, Math.max(0, share));
  return { learningRate: maxLearningRate * height, momentum: momentum - (momentum - momentumAtPeak) * height };
}
