import {
  AttackOptions,
  AttackSpec,
  DatasetFormat,
  DatasetImportRequest,
  DataType,
  encodeTensor,
  FigureSettings,
  fileChunks,
  type ImageSource,
  type LabelSource,
  ModelFormat,
  type ModelReference,
  ModelsImportHeader,
  type ModelsImportRequest,
  ProfileSettings,
  RecognizabilitySpec,
  type RemoteModel,
  ReportSpec,
  SmoothnessSpec,
  type StatusName,
  type TensorRef,
  TrainingSpec,
} from '@percept/contracts';
import type { PerceptClient } from '../../src/percept-client.js';

/** The model that the suite trains before it begins. */
export const suiteModel = 'contract-suite';

/** One call that must be refused: with which code, and naming which fields. */
export interface RefusedCall {
  readonly name: string;
  readonly code: StatusName;
  readonly fields?: readonly string[];
  call(client: PerceptClient): Promise<unknown>;
}

const model = { reference: { $case: 'registered', value: suiteModel } } as const;
const samples = (count: number): ImageSource => ({
  source: { $case: 'samples', value: { dataset: 'mnist-5k', split: 'test', indices: [], first: 0, count } },
});
const inline = (pixels: Float32Array, shape: number[]): ImageSource => ({
  source: {
    $case: 'inline',
    value: { images: { source: { $case: 'tensor', value: encodeTensor(pixels, shape) } }, labels: [], sampleIds: [] },
  },
});

const stored = (change: Partial<TensorRef>): ImageSource => {
  const ref = { uri: 'store:images/none', sha256: '0'.repeat(64), dtype: DataType.FLOAT32, shape: [1, 32, 32, 3] };
  const images = { source: { $case: 'ref', value: { ...ref, ...change } } } as const;
  return { source: { $case: 'inline', value: { images, labels: [], sampleIds: [] } } };
};

const targeted =
  (change: { images?: ImageSource; targets?: number[]; options?: Partial<AttackOptions>; model?: string }) =>
  async (client: PerceptClient) =>
    await client.attack.targeted({
      model: change.model === undefined ? model : { reference: { $case: 'registered', value: change.model } },
      images: change.images ?? samples(1),
      targets: change.targets ?? [3],
      options: AttackOptions.fromPartial({ steps: 1, ...change.options }),
      omitImages: true,
      includeOriginals: false,
    });

const remoteModel = (change: Partial<RemoteModel>): ModelReference => ({
  reference: {
    $case: 'remote',
    value: { endpoint: '127.0.0.1:1', name: suiteModel, version: '', input: '', output: 'logits', ...change },
  },
});
const remoteTargeted =
  (change: Partial<RemoteModel>, asked: { images?: ImageSource; options?: Partial<AttackOptions> } = {}) =>
  async (client: PerceptClient) =>
    await client.attack.targeted({
      model: remoteModel(change),
      images: asked.images ?? samples(1),
      targets: [3],
      options: AttackOptions.fromPartial({ method: 'square', ...asked.options }),
      omitImages: true,
      includeOriginals: false,
    });

const train = (change: Partial<TrainingSpec>) => async (client: PerceptClient) =>
  await client.training.submit({
    requestId: '',
    spec: TrainingSpec.fromPartial({ recipe: 'standard', preset: 'quickstart', dataset: 'mnist-5k', ...change }),
  });

const report = (change: Partial<ReportSpec>) => async (client: PerceptClient) =>
  await client.evaluation.submit({
    requestId: '',
    evaluation: {
      $case: 'report',
      value: ReportSpec.fromPartial({
        models: [{ model }],
        samples: { dataset: 'mnist-5k', split: 'test', count: 5 },
        ...change,
      }),
    },
  });

const importModel =
  (bytes: Uint8Array, format: ModelFormat, change: Partial<ModelsImportHeader> = {}) =>
  async (client: PerceptClient) => {
    const header = ModelsImportHeader.fromPartial({
      name: 'refused',
      format,
      spec: { height: 32, widthPixels: 32, mean: [0, 0, 0], std: [1, 1, 1] },
      sizeBytes: bytes.byteLength,
      ...(change as object),
    });
    const chunks = [...fileChunks('weights', bytes)].map(
      (value): ModelsImportRequest => ({ part: { $case: 'chunk', value } }),
    );
    return await client.models.import([{ part: { $case: 'header', value: header } }, ...chunks]);
  };

const datasetHeader = (asked: { format: DatasetFormat; files: number; totalBytes: number }): DatasetImportRequest =>
  DatasetImportRequest.fromPartial({
    part: {
      $case: 'header',
      value: {
        name: 'refused',
        format: asked.format,
        source: { $case: 'upload', value: { files: asked.files, totalBytes: asked.totalBytes } },
      },
    },
  });

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

/** Every kind of bad input, against every service. */
export const refusedCalls: readonly RefusedCall[] = [
  { name: 'an attack on an unknown model', code: 'NOT_FOUND', call: targeted({ model: 'nobody' }) },
  {
    name: 'an attack on an object that is no image of an earlier answer',
    code: 'INVALID_ARGUMENT',
    fields: ['images.inline.images.ref.sha256', 'images.inline.images.ref.uri'],
    call: targeted({ images: stored({ uri: 'store:jobs/x/spec.bin', sha256: 'F' }) }),
  },
  {
    name: 'an attack on an object that is not there',
    code: 'NOT_FOUND',
    call: targeted({ images: stored({}) }),
  },
  {
    name: 'an attack on an endpoint that is not on the allow-list',
    code: 'PERMISSION_DENIED',
    call: remoteTargeted({ endpoint: '203.0.113.7:9000' }),
  },
  {
    name: 'an attack on what is no endpoint',
    code: 'INVALID_ARGUMENT',
    fields: ['model.remote.endpoint', 'model.remote.name'],
    call: remoteTargeted({ endpoint: 'unix:/run/docker.sock', name: '' }),
  },
  {
    name: 'an attack that needs gradients on an endpoint',
    code: 'INVALID_ARGUMENT',
    fields: ['options.method'],
    call: remoteTargeted({}, { options: { method: 'autoattack' } }),
  },
  {
    name: 'an attack from noise, by the default method, on an endpoint',
    code: 'INVALID_ARGUMENT',
    fields: ['images.noise', 'options.method'],
    call: remoteTargeted(
      {},
      { options: { method: '' }, images: { source: { $case: 'noise', value: { count: 1, seed: 0 } } } },
    ),
  },
  {
    name: 'an attack job on an endpoint',
    code: 'INVALID_ARGUMENT',
    fields: ['spec.model.remote'],
    call: (client) =>
      client.attack.submit({
        requestId: '',
        spec: AttackSpec.fromPartial({
          model: remoteModel({}),
          images: samples(1),
          goal: { $case: 'targeted', value: { targets: [3] } },
          options: { method: 'square' },
        }),
      }),
  },
  {
    name: 'an attack job on more noise than a job takes',
    code: 'INVALID_ARGUMENT',
    fields: ['spec.images.noise.count'],
    call: (client) =>
      client.attack.submit({
        requestId: '',
        spec: AttackSpec.fromPartial({
          model,
          images: { source: { $case: 'noise', value: { count: 100_001, seed: 0 } } },
          goal: { $case: 'targeted', value: { targets: [3] } },
        }),
      }),
  },
  {
    name: 'labels of a source that is none',
    code: 'INVALID_ARGUMENT',
    fields: ['labels_from'],
    call: (client) =>
      client.attack.untargeted({
        model,
        images: samples(1),
        labelsFrom: 9 as LabelSource,
        options: AttackOptions.fromPartial({ steps: 1 }),
        omitImages: true,
        includeOriginals: false,
      }),
  },
  {
    name: 'a norm below 1',
    code: 'INVALID_ARGUMENT',
    fields: ['options.norm'],
    call: targeted({ options: { norm: 0.5 } }),
  },
  {
    name: 'a norm that is no number',
    code: 'INVALID_ARGUMENT',
    fields: ['options.norm'],
    call: targeted({ options: { norm: Number.NaN } }),
  },
  {
    name: 'a negative budget',
    code: 'INVALID_ARGUMENT',
    fields: ['options.epsilon'],
    call: targeted({ options: { epsilon: -0.1 } }),
  },
  {
    name: 'a budget that is no number',
    code: 'INVALID_ARGUMENT',
    fields: ['options.epsilon'],
    call: targeted({ options: { epsilon: Number.NaN } }),
  },
  {
    name: 'a step of 0',
    code: 'INVALID_ARGUMENT',
    fields: ['options.step'],
    call: targeted({ options: { step: { $case: 'absoluteStep', value: 0 } } }),
  },
  {
    name: 'several mistakes at once',
    code: 'INVALID_ARGUMENT',
    fields: ['options.norm', 'options.epsilon', 'options.steps', 'targets[0]'],
    call: targeted({ targets: [10], options: { norm: 0, epsilon: -1, steps: 0 } }),
  },
  {
    name: 'an unknown attack',
    code: 'INVALID_ARGUMENT',
    fields: ['options.method'],
    call: targeted({ options: { method: 'magic' } }),
  },
  {
    name: 'a target for an attack that chooses its own',
    code: 'INVALID_ARGUMENT',
    fields: ['options.method'],
    call: targeted({ options: { method: 'autoattack', steps: undefined } }),
  },
  {
    name: 'a precision that there is not',
    code: 'INVALID_ARGUMENT',
    fields: ['options.precision'],
    call: targeted({ options: { precision: 3 as never } }),
  },
  {
    name: 'settings that mean nothing to the attack',
    code: 'INVALID_ARGUMENT',
    fields: ['options.queries'],
    call: targeted({ options: { queries: 5 } }),
  },
  {
    name: 'a target that is no class',
    code: 'INVALID_ARGUMENT',
    fields: ['targets[0]'],
    call: targeted({ targets: [10] }),
  },
  { name: 'no target', code: 'INVALID_ARGUMENT', fields: ['targets'], call: targeted({ targets: [] }) },
  {
    name: 'fewer targets than images',
    code: 'INVALID_ARGUMENT',
    fields: ['targets'],
    call: targeted({ images: samples(3), targets: [1, 2] }),
  },
  {
    name: 'images of a wrong shape',
    code: 'INVALID_ARGUMENT',
    fields: ['images.inline.images.tensor.shape'],
    call: targeted({ images: inline(new Float32Array(28 * 28), [1, 28, 28, 1]) }),
  },
  {
    name: 'images of a wrong type',
    code: 'INVALID_ARGUMENT',
    fields: ['images.inline.images.tensor.dtype'],
    call: targeted({
      images: {
        source: {
          $case: 'inline',
          value: {
            images: { source: { $case: 'tensor', value: encodeTensor(new Int32Array(3072), [1, 32, 32, 3]) } },
            labels: [],
            sampleIds: [],
          },
        },
      },
    }),
  },
  {
    name: 'a pixel outside [0, 1]',
    code: 'INVALID_ARGUMENT',
    fields: ['images.inline.images.tensor.data'],
    call: targeted({ images: inline(new Float32Array(3072).fill(1.5), [1, 32, 32, 3]) }),
  },
  {
    name: 'an oversized batch',
    code: 'INVALID_ARGUMENT',
    fields: ['images.samples.count'],
    call: targeted({ images: samples(1001) }),
  },
  {
    name: 'a sample that does not exist',
    code: 'INVALID_ARGUMENT',
    fields: ['selection.indices[0]'],
    call: async (client) =>
      await client.dataset.getSamples({
        selection: { dataset: 'mnist-5k', split: 'test', indices: [1000], first: 0, count: 0 },
      }),
  },
  {
    name: 'an unknown data set',
    code: 'NOT_FOUND',
    call: async (client) => await client.dataset.get({ name: 'nothing' }),
  },
  {
    name: 'a data set whose files are missing',
    code: 'FAILED_PRECONDITION',
    call: async (client) =>
      await client.dataset.getSamples({
        selection: { dataset: 'cifar10', split: 'test', indices: [0], first: 0, count: 0 },
      }),
  },
  {
    name: 'a batch size of 0, an unknown split and images of integers',
    code: 'INVALID_ARGUMENT',
    fields: ['split', 'batch_size', 'images_dtype'],
    call: async (client) =>
      await drain(
        client.dataset.read({
          name: 'mnist-5k',
          split: 'night',
          batchSize: 0,
          seed: 0,
          epoch: 0,
          shuffle: false,
          augmentationLaw: 0,
          startBatch: 0,
          imagesDtype: DataType.INT32,
        }),
      ),
  },
  { name: 'an unknown recipe', code: 'INVALID_ARGUMENT', fields: ['spec.recipe'], call: train({ recipe: 'alchemy' }) },
  {
    name: 'a precision of training that there is not',
    code: 'INVALID_ARGUMENT',
    fields: ['spec.precision'],
    call: train({ precision: 3 as never }),
  },
  { name: 'an unknown preset', code: 'INVALID_ARGUMENT', fields: ['spec.preset'], call: train({ preset: 'luxury' }) },
  {
    name: 'a parameter out of range and an unknown one',
    code: 'INVALID_ARGUMENT',
    fields: ['spec.parameters.learning_rate', 'spec.parameters.luck'],
    call: train({ parameters: { learning_rate: -1, luck: 7 } }),
  },
  { name: 'a training without epochs', code: 'INVALID_ARGUMENT', fields: ['spec.epochs'], call: train({ epochs: 0 }) },
  {
    name: 'a grid that does not begin with 0',
    code: 'INVALID_ARGUMENT',
    fields: ['report.profile.grid[0]'],
    call: report({ profile: ProfileSettings.fromPartial({ grid: [0.1, 0.2] }) }),
  },
  {
    name: 'a profile that confirms outside its grid by an attack that there is not',
    code: 'INVALID_ARGUMENT',
    fields: [
      'report.profile.further_attacks[0].method',
      'report.profile.confirmations[0].budget',
      'report.profile.confirmations[1].frontier_from',
    ],
    call: report({
      profile: ProfileSettings.fromPartial({
        grid: [0, 0.1, 0.2],
        furtherAttacks: [{ method: 'none' }],
        confirmations: [{ place: { $case: 'budget', value: 0.3 } }, { place: { $case: 'frontierFrom', value: -1 } }],
      }),
    }),
  },
  {
    name: 'a report without models',
    code: 'INVALID_ARGUMENT',
    fields: ['report.models'],
    call: report({ models: [] }),
  },
  {
    name: 'a report whose figure would show too many budgets',
    code: 'INVALID_ARGUMENT',
    fields: ['report.figures.budgets'],
    call: report({ figures: FigureSettings.fromPartial({ budgets: new Array<number>(257).fill(0.1) }) }),
  },
  {
    name: 'a report whose attack takes no step',
    code: 'INVALID_ARGUMENT',
    fields: ['report.profile.attack.steps'],
    call: report({ profile: ProfileSettings.fromPartial({ attack: { steps: 0 } }) }),
  },
  {
    name: 'an unknown report',
    code: 'NOT_FOUND',
    call: async (client) => await client.evaluation.getReport({ reportId: 'nothing' }),
  },
  {
    name: 'a report id that is a path',
    code: 'NOT_FOUND',
    call: async (client) => await client.evaluation.getReport({ reportId: '../models' }),
  },
  {
    name: 'a report whose only model would judge itself',
    code: 'INVALID_ARGUMENT',
    fields: ['report.judges'],
    call: report({ recognizabilitySamples: 10 }),
  },
  {
    name: 'recognizability without judges, with too few resamplings',
    code: 'INVALID_ARGUMENT',
    fields: ['recognizability.bootstrap_samples', 'recognizability.judges', 'recognizability.pictures'],
    call: async (client) =>
      await client.evaluation.submit({
        requestId: '',
        evaluation: {
          $case: 'recognizability',
          value: RecognizabilitySpec.fromPartial({
            model,
            samples: { dataset: 'mnist-5k', split: 'test', count: 5 },
            bootstrapSamples: 5,
            pictures: 0,
          }),
        },
      }),
  },
  {
    name: 'smoothness in a ball without radius',
    code: 'INVALID_ARGUMENT',
    fields: ['smoothness.projections', 'smoothness.radius'],
    call: async (client) =>
      await client.evaluation.submit({
        requestId: '',
        evaluation: {
          $case: 'smoothness',
          value: SmoothnessSpec.fromPartial({
            model,
            samples: { dataset: 'mnist-5k', split: 'test', count: 5 },
            radius: 0,
            projections: 1_001,
          }),
        },
      }),
  },
  {
    name: 'an unknown job',
    code: 'NOT_FOUND',
    call: async (client) => await client.jobs('training').get({ jobId: 'nothing' }),
  },
  { name: 'an unknown model', code: 'NOT_FOUND', call: async (client) => await client.models.get({ model: 'nobody' }) },
  {
    name: 'an attack whose deadline is too short',
    code: 'DEADLINE_EXCEEDED',
    call: async (client) =>
      await client.attack.targeted(
        {
          model,
          images: samples(50),
          targets: [3],
          options: AttackOptions.fromPartial({ steps: 100_000, epsilon: 0.3, stop: 2 }),
          omitImages: true,
          includeOriginals: false,
        },
        { timeoutMs: 400 },
      ),
  },
  {
    name: 'an import of truncated weights',
    code: 'INVALID_ARGUMENT',
    fields: ['chunk'],
    call: importModel(new Uint8Array(100), ModelFormat.SAFETENSORS),
  },
  {
    name: 'an import of a corrupt PyTorch checkpoint',
    code: 'INVALID_ARGUMENT',
    fields: ['chunk'],
    call: importModel(new Uint8Array(100), ModelFormat.PYTORCH),
  },
  {
    name: 'an import of a file that is shorter than announced',
    code: 'INVALID_ARGUMENT',
    fields: ['header.size_bytes'],
    call: importModel(new Uint8Array(100), ModelFormat.SAFETENSORS, { sizeBytes: 101 }),
  },
  {
    name: 'an import under a name that is a path',
    code: 'INVALID_ARGUMENT',
    fields: ['header.name'],
    call: importModel(new Uint8Array(100), ModelFormat.SAFETENSORS, { name: '../../etc' }),
  },
  {
    name: 'an export in a format that is for import only',
    code: 'INVALID_ARGUMENT',
    fields: ['format'],
    call: async (client) => await drain(client.models.export({ model: suiteModel, format: ModelFormat.PYTORCH })),
  },
  {
    name: 'an import of a truncated data file',
    code: 'INVALID_ARGUMENT',
    fields: ['chunk'],
    call: async (client) =>
      await client.dataset.import(
        ['data_batch_1.bin', 'test_batch.bin'].flatMap((name, i) => [
          ...(i === 0 ? [datasetHeader({ format: DatasetFormat.CIFAR10_BINARY, files: 2, totalBytes: 6_000 })] : []),
          ...[...fileChunks(name, new Uint8Array(3_000))].map(
            (value): DatasetImportRequest => ({
              part: { $case: 'chunk', value },
            }),
          ),
        ]),
      ),
  },
  {
    name: 'an attack on an unknown data set',
    code: 'NOT_FOUND',
    call: targeted({
      images: {
        source: { $case: 'samples', value: { dataset: 'nothing', split: 'test', indices: [], first: 0, count: 1 } },
      },
    }),
  },
  {
    name: 'a training on an unknown data set',
    code: 'INVALID_ARGUMENT',
    fields: ['spec.dataset'],
    call: train({ dataset: 'nothing' }),
  },
];
