import type { StatusName } from '@percept/contracts';

/** There is no job with this id. */
export class JobNotFoundError extends Error {
  override readonly name = 'JobNotFoundError';

  constructor(id: string) {
    super(`there is no job ${id}`);
  }
}

/** As many jobs of a kind wait as the policy allows. */
export class JobQuotaError extends Error {
  override readonly name = 'JobQuotaError';

  constructor(kind: string, limit: number) {
    super(`${limit} ${kind} jobs wait already; submit again once some have begun`);
  }
}

/** A request id came again with other content. */
export class RequestIdReusedError extends Error {
  override readonly name = 'RequestIdReusedError';

  constructor(requestId: string, kind: string) {
    super(`the request_id ${requestId} was used for another ${kind} job`);
  }
}

/** A page token that this service did not give out. */
export class InvalidPageTokenError extends Error {
  override readonly name = 'InvalidPageTokenError';

  constructor() {
    super('the page_token is not one of this service');
  }
}

/** A stored job record that cannot be read. */
export class CorruptJobRecordError extends Error {
  override readonly name = 'CorruptJobRecordError';

  constructor(id: string, options?: ErrorOptions) {
    super(`the record of job ${id} is corrupt`, options);
  }
}

/** Reason of a handler's signal: someone cancelled the job. */
export class JobCancelledError extends Error {
  override readonly name = 'JobCancelledError';

  constructor() {
    super('the job was cancelled');
  }
}

/** Reason of a handler's signal: this process is ending; another worker goes on from the last checkpoint. */
export class JobHandedBackError extends Error {
  override readonly name = 'JobHandedBackError';

  constructor() {
    super('the job was handed back');
  }
}

/** Reason of a handler's signal: another worker has taken the job over, or it ended; nothing more may be written. */
export class JobLostError extends Error {
  override readonly name = 'JobLostError';

  constructor(id: string) {
    super(`job ${id} is no longer this worker's`);
  }
}

/** What a job fails with, in words for its owner. Handlers throw it; other errors, PerceptRpcError apart, become INTERNAL. */
export class JobFailedError extends Error {
  override readonly name = 'JobFailedError';
  readonly code: StatusName;

  constructor(code: StatusName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A handler's wish to be run again later, from its checkpoint, because something it needs is away for now. */
export class JobRetryError extends Error {
  override readonly name = 'JobRetryError';
}
