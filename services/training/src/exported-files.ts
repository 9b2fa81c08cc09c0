import { type Model, ModelFormat } from '@percept/contracts';
import { modelSpecOf } from '@percept/messages';
import { writeLayersModel, writeOnnx } from '@percept/models';
import { readSafetensors } from '@percept/tensor';

type ExportedFiles = Readonly<Record<string, Uint8Array>>;

const writers: Readonly<Record<number, (model: Model, weights: Uint8Array) => ExportedFiles>> = {
  [ModelFormat.UNSPECIFIED]: (_, weights) => ({ 'weights.safetensors': weights }),
  [ModelFormat.SAFETENSORS]: (_, weights) => ({ 'weights.safetensors': weights }),
  [ModelFormat.ONNX]: (model, weights) => ({
    'model.onnx': writeOnnx(modelSpecOf(model.spec), readSafetensors(weights).tensors),
  }),
  [ModelFormat.TFJS]: (model, weights) => ({
    ...writeLayersModel(modelSpecOf(model.spec), readSafetensors(weights).tensors),
  }),
};

/** Whether models are written in this format. */
export function isExported(format: ModelFormat): boolean {
  return Object.hasOwn(writers, format);
}

/** A model's files in a format by name. `weights` is its safetensors file. */
export function exportedFiles(format: ModelFormat, model: Model, weights: Uint8Array): ExportedFiles {
  const write = writers[format];
  if (write === undefined) throw new RangeError(`there is no export in format ${format}`);
  return write(model, weights);
}
