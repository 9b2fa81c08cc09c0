import { type HostTensor, readSafetensors, writeSafetensors } from '@percept/tensor';
import type { DatasetDeclaration, LoadedDataset } from './dataset.js';
import { DatasetError } from './errors.js';
import { Split } from './split.js';

/**
 * Writes a data set as one safetensors file: `SPLIT.images` (bytes, NHWC) and `SPLIT.labels` per split, its declaration and `notes` as
 * metadata. Equal content gives equal bytes.
 */
export function writeDatasetFile(
  { declaration, splits }: LoadedDataset,
  notes: Readonly<Record<string, string>> = {},
): Uint8Array {
  const tensors: Record<string, HostTensor> = {};
  for (const split of splits) {
    tensors[`${split.name}.images`] = { dtype: 'U8', shape: [split.count, ...split.shape], data: split.pixels };
    tensors[`${split.name}.labels`] = { dtype: 'I32', shape: [split.count], data: Int32Array.from(split.labels) };
  }
  const norm = Number.isFinite(declaration.norm) ? declaration.norm : 'Infinity';
  const splitNames = splits.map(({ name }) => name).join(',');
  return writeSafetensors(tensors, {
    ...notes,
    declaration: JSON.stringify({ ...declaration, norm }),
    splits: splitNames,
  });
}

/** Reads what writeDatasetFile wrote; `file` names it in errors. Throws DatasetError. */
export function readDatasetFile(
  bytes: Uint8Array,
  file: string,
): LoadedDataset & { readonly notes: Readonly<Record<string, string>> } {
  try {
    const { tensors, metadata } = readSafetensors(bytes);
    const { declaration: text = '', splits: splitNames = '', ...notes } = metadata;
    const stored = JSON.parse(text) as DatasetDeclaration;
    const splits = splitNames.split(',').map((name) => {
      const images = tensors[`${name}.images`];
      const labels = tensors[`${name}.labels`];
      if (images?.dtype !== 'U8' || labels?.dtype !== 'I32' || images.shape.length !== 4) {
        throw new DatasetError(file, `the split ${name} is incomplete`);
      }
      const [, height = 0, width = 0, channels = 0] = images.shape;
      return new Split(name, [height, width, channels], images.data, Uint16Array.from(labels.data));
    });
    return { declaration: { ...stored, norm: Number(stored.norm) }, splits, notes };
  } catch (error) {
    if (error instanceof DatasetError) throw error;
    throw new DatasetError(file, `is corrupt (${error instanceof Error ? error.message : String(error)})`);
  }
}
