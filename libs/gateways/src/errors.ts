/** A model behind an inference endpoint was asked for where its weights are needed. */
export class RemoteModelError extends Error {
  constructor() {
    super(
      'this call needs the weights of a registered model; one behind an inference endpoint can only be attacked, by Attack.Targeted and Attack.Untargeted',
    );
    this.name = 'RemoteModelError';
  }
}

/** The weights that arrived are not those of the model. */
export class CorruptWeightsError extends Error {
  constructor(model: string, expected: string, found: string) {
    super(`the weights of model ${model} are corrupt: their SHA-256 is ${found}, not ${expected}`);
    this.name = 'CorruptWeightsError';
  }
}

/** A service answered without something its contract promises. */
export class IncompleteAnswerError extends Error {
  constructor(call: string, missing: string) {
    super(`${call} answered without ${missing}`);
    this.name = 'IncompleteAnswerError';
  }
}
