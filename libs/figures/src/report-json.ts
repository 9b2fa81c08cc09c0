import { canonicalJson } from './canonical-json.js';
import type { ReportData } from './report-data.js';

/**
 * report.json: every number of a report, and of its pictures the digests, as canonical JSON. It holds no time, host or job, so that
 * runs of equal results give equal bytes.
 */
export function reportJson(data: ReportData): Uint8Array {
  return canonicalJson(data);
}

/** What differs from one run to the next, and therefore stands beside report.json instead of inside it. */
export interface RunRecord {
  readonly job: string;
  readonly host: string;
  /** RFC 3339. */
  readonly started?: string | undefined;
  /** RFC 3339. */
  readonly finished: string;
}

/** run.json: which run made a report, where and when. */
export function runJson(run: RunRecord): Uint8Array {
  return canonicalJson(run);
}
