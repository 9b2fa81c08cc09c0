import {
  AugmentationLaw,
  type DatasetReadRequest,
  type DatasetSelection,
  DataType,
  dataTypeToJSON,
  maxMessageBytes,
} from '@percept/contracts';
import {
  type Augmentation,
  type BatchOptions,
  type LoadedDataset,
  noAugmentation,
  type Split,
} from '@percept/datasets';
import { Violations } from '@percept/platform';

/** The most images of one batch or one call. */
const mostImages = 4_096;
const mostSelected = 100_000;
/** What an answer holds beside its images: labels, numbers, names. */
const besideImagesBytes = 2 * 1024 * 1024;

/** The types that images are given in; not given is float32. */
const imageTypes: readonly DataType[] = [DataType.UNSPECIFIED, DataType.FLOAT32, DataType.UINT8];

/** A checked read. */
export interface CheckedRead {
  readonly split: Split;
  readonly options: BatchOptions;
}

/** Checks a Read request against its data set. @throws PerceptRpcError INVALID_ARGUMENT with every violation. */
export function validateRead(request: DatasetReadRequest, { declaration, splits }: LoadedDataset): CheckedRead {
  const violations = new Violations();
  const split = findSplit(request.split || 'train', splits, 'split', violations);
  violations.integer(request.batchSize, 'batch_size', 1, mostImages);
  if (request.limit !== undefined) violations.integer(request.limit, 'limit', 1, 0xffffffff);
  violations.check(
    imageTypes.includes(request.imagesDtype),
    'images_dtype',
    `must be FLOAT32 or UINT8, got ${dataTypeToJSON(request.imagesDtype)}`,
  );
  checkFits(request.batchSize, split, request.imagesDtype === DataType.UINT8 ? 1 : 4, 'batch_size', violations);
  const augmentation = augmentationOf(request, declaration.augmentation, declaration.height, violations);
  violations.throwIfAny();
  return {
    split: split as Split,
    options: {
      batchSize: request.batchSize,
      seed: request.seed,
      shuffle: request.shuffle,
      augmentation,
      ...(request.limit === undefined ? {} : { limit: request.limit }),
    },
  };
}

function augmentationOf(
  request: DatasetReadRequest,
  declared: Augmentation,
  height: number,
  violations: Violations,
): Augmentation {
  switch (request.augmentationLaw) {
    case AugmentationLaw.DECLARED:
      return declared;
    case AugmentationLaw.GIVEN: {
      const given = request.augmentation ?? { cropPadding: 0, horizontalFlip: false };
      violations.integer(given.cropPadding, 'augmentation.crop_padding', 0, height);
      return given;
    }
    default:
      return noAugmentation;
  }
}

/** The split and sample numbers of a selection. @throws PerceptRpcError INVALID_ARGUMENT with every violation. */
export function validateSelection(
  selection: DatasetSelection,
  { splits }: LoadedDataset,
): { split: Split; indices: Uint32Array } {
  const violations = new Violations();
  const split = findSplit(selection.split || 'test', splits, 'selection.split', violations);
  const count = split?.count ?? 0;
  const { indices, first } = selection;
  if (indices.length > 0) {
    violations.check(
      indices.length <= mostSelected,
      'selection.indices',
      `at most ${mostSelected}, got ${indices.length}`,
    );
    violations.check(first === 0 && selection.count === 0, 'selection.first', 'indices exclude first and count');
    const outside = indices.findIndex((index) => index >= count);
    if (outside >= 0) {
      violations.add(`selection.indices[${outside}]`, `there is no sample ${indices[outside]}: the split has ${count}`);
    }
  } else {
    violations.check(
      first + selection.count <= count,
      'selection.count',
      `the split has ${count} samples, asked for ${first} to ${first + selection.count}`,
    );
  }
  const last = selection.count === 0 ? count : first + selection.count;
  if (indices.length > 0) checkFits(indices.length, split, 4, 'selection.indices', violations);
  else checkFits(last - first, split, 4, 'selection.count', violations);
  violations.throwIfAny();
  return {
    split: split as Split,
    indices:
      indices.length > 0
        ? Uint32Array.from(indices)
        : Uint32Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i),
  };
}

/** Before the images are gathered: what fits no message would take memory and time for nothing. */
function checkFits(
  images: number,
  split: Split | undefined,
  bytesPerValue: number,
  field: string,
  violations: Violations,
): void {
  if (split === undefined) return;
  const [height, width, channels] = split.shape;
  const most = Math.floor((maxMessageBytes - besideImagesBytes) / (height * width * channels * bytesPerValue));
  violations.check(images <= most, field, `at most ${most} images of this size fit an answer, got ${images}`);
}

function findSplit(name: string, splits: readonly Split[], field: string, violations: Violations): Split | undefined {
  const split = splits.find((one) => one.name === name);
  violations.check(
    split !== undefined,
    field,
    `there is no split "${name}"; there are ${splits.map((one) => one.name).join(', ')}`,
  );
  return split;
}
