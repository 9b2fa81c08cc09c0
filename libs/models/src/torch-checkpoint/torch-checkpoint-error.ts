/** Thrown when bytes are no PyTorch checkpoint that can be read safely; the message says where. */
export class TorchCheckpointError extends Error {
  constructor(message: string) {
    super(`not a readable PyTorch checkpoint: ${message}`);
    this.name = 'TorchCheckpointError';
  }
}
