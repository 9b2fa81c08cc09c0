/** What a benchmark found: lines for people, numbers for programs. */
export interface BenchReport {
  readonly lines: readonly string[];
  readonly values: Readonly<Record<string, number>>;
}
