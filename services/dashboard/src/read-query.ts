import { HttpError } from './http-error.js';
import { defaultJobSelection, type JobSelection, type JobSortKey, jobSortKeys } from './select-jobs.js';
import type { JobState } from './views.js';

const states: readonly JobState[] = ['queued', 'running', 'succeeded', 'failed', 'cancelled'];
const largestPage = 500;

function bad(name: string, rule: string): HttpError {
  return new HttpError(400, 'INVALID_ARGUMENT', `${name}: ${rule}`);
}

function list(text: string | null): string[] {
  return (text ?? '').split(',').filter(Boolean);
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number, largest: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= largest) return value;
  throw bad(name, `must be a whole number from 1 to ${largest}`);
}

/**
 * Reads `state`, `kind` (lists with commas), `text` and `sort` (a column, with `-` before it for descending order).
 * @throws HttpError 400 that names the parameter
 */
export function readJobSelection(query: URLSearchParams): JobSelection {
  const chosen = list(query.get('state')).map((text) => {
    const state = states.find((known) => known === text);
    if (state === undefined) throw bad('state', `must be of ${states.join(', ')}`);
    return state;
  });
  const sortText = query.get('sort');
  let sort: JobSortKey = defaultJobSelection.sort;
  if (sortText !== null) {
    const key = jobSortKeys.find((known) => known === sortText.replace(/^-/, ''));
    if (key === undefined)
      throw bad('sort', `must be of ${jobSortKeys.join(', ')}, with "-" before it for descending order`);
    sort = key;
  }
  return {
    states: chosen,
    kinds: list(query.get('kind')),
    text: query.get('text') ?? '',
    sort,
    descending: sortText === null ? defaultJobSelection.descending : sortText.startsWith('-'),
  };
}

/**
 * Reads `page` (from 1) and `pageSize` (1 to 500, 50 unless told).
 * @throws HttpError 400 that names the parameter
 */
export function readPaging(query: URLSearchParams): { readonly number: number; readonly size: number } {
  return {
    number: wholeNumber(query, 'page', 1, 1_000_000),
    size: wholeNumber(query, 'pageSize', 50, largestPage),
  };
}

/**
 * Reads the sequence number after which events are wanted; 0, which is all of them, when there is none.
 * @throws HttpError 400
 */
export function readSequence(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw bad('Last-Event-ID', 'must be a whole number, at least 0');
}
