import { DatasetReadRequest, DatasetSelection, DataType, PerceptRpcError } from '@percept/contracts';
import { type LoadedDataset, noAugmentation, Split } from '@percept/datasets';
import { describe, expect, it } from 'vitest';
import { validateRead, validateSelection } from '../src/validate-read.js';

const large: LoadedDataset = {
  declaration: { augmentation: noAugmentation, height: 256 } as LoadedDataset['declaration'],
  splits: [new Split('test', [256, 256, 3], new Uint8Array(256 * 256 * 3), Uint16Array.of(0))],
};

function fieldsOf(work: () => unknown): string[] {
  try {
    work();
    return [];
  } catch (error) {
    return PerceptRpcError.from(error).violations.map(({ field }) => field);
  }
}

describe('images of 256x256x3, of which 82 fit an answer in float32 and 330 as bytes', () => {
  it.each<[number, DataType, string[]]>([
    [82, DataType.FLOAT32, []],
    [83, DataType.FLOAT32, ['batch_size']],
    [330, DataType.UINT8, []],
    [331, DataType.UINT8, ['batch_size']],
  ])('in batches of %d with type %d violate %j', (batchSize, imagesDtype, fields) => {
    const request = DatasetReadRequest.fromPartial({ name: 'large', split: 'test', batchSize, imagesDtype });
    expect(fieldsOf(() => validateRead(request, large))).toEqual(fields);
  });

  it.each<[number, string[]]>([
    [82, []],
    [83, ['selection.indices']],
  ])('selected %d times violate %j', (count, fields) => {
    const selection = DatasetSelection.fromPartial({ indices: new Array<number>(count).fill(0) });
    expect(fieldsOf(() => validateSelection(selection, large))).toEqual(fields);
  });
});
