/** No model answers to a reference. */
export class ModelNotFoundError extends Error {
  override readonly name = 'ModelNotFoundError';

  constructor(reference: string) {
    super(`there is no model ${reference.slice(0, 200)}`);
  }
}

/** A version cannot be deleted while aliases point to it. */
export class ModelInUseError extends Error {
  override readonly name = 'ModelInUseError';

  constructor(reference: string, aliases: readonly string[]) {
    super(`${reference} cannot be deleted while the alias ${aliases.join(', ')} points to it`);
  }
}

/** A request id came again with other content. */
export class ModelRequestReusedError extends Error {
  override readonly name = 'ModelRequestReusedError';

  constructor(requestId: string) {
    super(`the request_id ${requestId} was used for another request`);
  }
}

/** An entry of the registry that cannot be read. */
export class CorruptRegistryError extends Error {
  override readonly name = 'CorruptRegistryError';

  constructor(key: string, options?: ErrorOptions) {
    super(`${key} of the model registry is corrupt`, options);
  }
}
