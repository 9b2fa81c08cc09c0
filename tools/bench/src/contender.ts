/** One side of a benchmark: runs steps of the same work and says how long they took. */
export interface Contender {
  /** Such as `percept native avx512` or `torch 1.13.1 channels_last`. */
  readonly label: string;
  /** Runs `steps` steps and resolves with the seconds they took. */
  run(steps: number): Promise<number>;
  close(): Promise<void>;
}

/** A contender in a process of its own, which knows the most memory that process has had so far. */
export interface SteppingContender extends Contender {
  /** Bytes of the process's greatest resident set up to the last run's end. */
  peakBytes(): number;
}
