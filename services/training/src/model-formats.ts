import { ModelFormat, type PerceptRpcError, rpcError } from '@percept/contracts';

const formatNames: Readonly<Record<number, string>> = {
  [ModelFormat.PYTORCH]: 'PyTorch checkpoints',
  [ModelFormat.ONNX]: 'ONNX models',
  [ModelFormat.TFJS]: 'TensorFlow.js graph models',
};

/** The answer to a format that cannot be read or written: a later release's, or none that there is. */
export function unsupportedFormat(format: ModelFormat, direction: 'imported' | 'exported'): PerceptRpcError {
  const name = formatNames[format] ?? `files of the format ${format}`;
  return rpcError('UNIMPLEMENTED', `${name} cannot be ${direction} yet; safetensors can`);
}
