/** One side of a benchmark: runs steps of the same work and says how long they took. */
export interface Contender {
  /** Such as `percept native avx512` or `torch 1.13.1 channels_last`. */
  readonly label: string;
  /** Runs `steps` steps and resolves with the seconds they took. */
  run(steps: number): Promise<number>;
  close(): Promise<void>;
}
