import { PerceptRpcError } from '@percept/contracts';

/** Which model of which server an error is about. */
export interface RemoteName {
  /** HOST:PORT. */
  readonly endpoint: string;
  readonly name: string;
  /** Empty: the server's choice. */
  readonly version: string;
}

/** An inference endpoint cannot be reached or does not answer in time. */
export class EndpointUnavailableError extends Error {
  constructor(endpoint: string, reason: string, options?: ErrorOptions) {
    super(`the inference endpoint ${endpoint} is not available: ${reason}`, options);
    this.name = 'EndpointUnavailableError';
  }
}

/** An inference endpoint is reached but turns calls away for now. */
export class EndpointBusyError extends Error {
  constructor(endpoint: string, reason: string, options?: ErrorOptions) {
    super(`the inference endpoint ${endpoint} takes no more calls now: ${reason}`, options);
    this.name = 'EndpointBusyError';
  }
}

/** An inference endpoint has no model of this name. */
export class RemoteModelNotFoundError extends Error {
  constructor({ endpoint, name, version }: RemoteName, options?: ErrorOptions) {
    super(`there is no model "${name}"${version === '' ? '' : ` of version ${version}`} on ${endpoint}`, options);
    this.name = 'RemoteModelNotFoundError';
  }
}

/** A model behind an inference endpoint is no image classifier that can be attacked, refuses images, or answers with what are no logits. */
export class RemoteModelAnswerError extends Error {
  constructor({ endpoint, name }: RemoteName, problem: string, options?: ErrorOptions) {
    super(`model "${name}" on ${endpoint}: ${problem}`, options);
    this.name = 'RemoteModelAnswerError';
  }
}

/** What a failed call of an inference endpoint means to whoever attacks the model. */
export function endpointError(error: unknown, model: RemoteName): Error {
  const failure = PerceptRpcError.from(error);
  const { code, rawMessage } = failure;
  const cause = { cause: failure };
  switch (code) {
    case 'CANCELLED':
      return failure;
    case 'UNAVAILABLE':
      return new EndpointUnavailableError(model.endpoint, unavailability(rawMessage), cause);
    case 'DEADLINE_EXCEEDED':
      return new EndpointUnavailableError(model.endpoint, 'it did not answer in time', cause);
    case 'RESOURCE_EXHAUSTED':
      return new EndpointBusyError(model.endpoint, rawMessage, cause);
    case 'NOT_FOUND':
      return new RemoteModelNotFoundError(model, cause);
    default:
      return new RemoteModelAnswerError(model, `the server refused with ${code}: ${rawMessage}`, cause);
  }
}

/** Why a connection failed, without the addresses that a name resolves to. */
function unavailability(message: string): string {
  if (message.startsWith('Name resolution failed')) return 'its name cannot be resolved';
  return /\bE[A-Z]{4,}\b/.exec(message)?.[0] ?? 'the connection failed';
}
