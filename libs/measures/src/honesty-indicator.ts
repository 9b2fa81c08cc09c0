/** One check of whether a profile may be believed. */
export interface HonestyIndicator {
  readonly name: string;
  /** Where the check comes from. */
  readonly source: string;
  readonly description: string;
  /** What was found; absent where the check was not run. */
  readonly value?: number;
  /** What `value` is compared with, and from which side. */
  readonly limit: number;
  readonly side: 'at-most' | 'at-least';
  readonly verdict: 'pass' | 'fail' | 'not-run';
  /** What to do where it fails, or how to have it run. */
  readonly advice: string;
}

/** A check before its number is known. */
export type HonestyCheck = Pick<HonestyIndicator, 'name' | 'source' | 'description' | 'advice' | 'limit'>;

/** A check that passes up to its limit; NaN fails. */
export function atMost(check: HonestyCheck, value: number): HonestyIndicator {
  return { ...check, value, side: 'at-most', verdict: value <= check.limit ? 'pass' : 'fail' };
}

/** A check that passes from its limit on; NaN fails. */
export function atLeast(check: HonestyCheck, value: number): HonestyIndicator {
  return { ...check, value, side: 'at-least', verdict: value >= check.limit ? 'pass' : 'fail' };
}

/** A check that was not run; its advice says how to have it run. */
export function notRun(check: HonestyCheck): HonestyIndicator {
  return { ...check, side: 'at-most', verdict: 'not-run' };
}
