/** All keys of a job lie below `jobs/<id>/`. */
export const JOBS_FOLDER = 'jobs/';

export function recordKey(id: string): string {
  return `${JOBS_FOLDER}${id}/record.json`;
}

export function specKey(id: string): string {
  return `${JOBS_FOLDER}${id}/spec`;
}

export function checkpointKey(id: string): string {
  return `${JOBS_FOLDER}${id}/checkpoint`;
}

export function eventsKey(id: string): string {
  return `${JOBS_FOLDER}${id}/events.json`;
}
