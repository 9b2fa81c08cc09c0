/** What a check found. */
export type Finding =
  | { readonly state: 'ok'; readonly found: string }
  /** `advice` says what to do. */
  | { readonly state: 'warning' | 'failed'; readonly found: string; readonly advice: string };

/** A finding under the name of its check. */
export type CheckResult = Finding & { readonly check: string };

/** One thing that Percept depends on. */
export interface Check {
  readonly name: string;
  run(): Promise<Finding>;
}

/** Runs checks one after the other; one that throws has failed, with the error as what was found. */
export async function runChecks(checks: readonly Check[]): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const { name, run } of checks) {
    try {
      results.push({ check: name, ...(await run()) });
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      results.push({ check: name, state: 'failed', found, advice: 'see what was found; this check could not end' });
    }
  }
  return results;
}
