/** A job id or kind that cannot be part of a subject. */
export class InvalidSubjectError extends Error {
  override readonly name = 'InvalidSubjectError';
}

/** A body beyond what the bus carries; large data belongs in the store, references on the bus. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError';

  constructor(bytes: number, limit: number) {
    super(`a message of ${bytes} bytes exceeds the bus's limit of ${limit} bytes`);
  }
}

/** The server did not confirm a publication, or could not be reached. */
export class BusUnavailableError extends Error {
  override readonly name = 'BusUnavailableError';
}

/** The bus was closed. */
export class BusClosedError extends Error {
  override readonly name = 'BusClosedError';

  constructor() {
    super('the bus is closed');
  }
}

/** The nats-server program is missing or did not start. */
export class NatsServerError extends Error {
  override readonly name = 'NatsServerError';
}
