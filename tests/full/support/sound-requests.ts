import {
  AttackGetResultRequest,
  AttackListMethodsRequest,
  AttackSubmitRequest,
  AttackTargetedRequest,
  AttackTargetedStreamRequest,
  AttackUntargetedRequest,
  DatasetFormat,
  DatasetGetRequest,
  DatasetGetSamplesRequest,
  DatasetImportRequest,
  DatasetReadRequest,
  EvaluationGetArtifactRequest,
  EvaluationGetReportRequest,
  EvaluationSubmitRequest,
  JobsCancelRequest,
  JobsGetRequest,
  JobsListRequest,
  JobsWatchRequest,
  ModelFormat,
  ModelsExportRequest,
  ModelsGetRequest,
  ModelsImportRequest,
  ModelsSetAliasRequest,
  TrainingSubmitRequest,
} from '@percept/contracts';
import { smallAttack, smallReport, smallTraining } from './small-jobs.js';

/** Sound requests by the paths of their calls, encoded; wrong ones are made from them. Nothing in them changes or removes the model. */
export function soundRequests(model: string): ReadonlyMap<string, readonly Uint8Array[]> {
  const reference = { reference: { $case: 'registered' as const, value: model } };
  const options = { epsilon: 0.1, steps: 1, step: { $case: 'relativeStep' as const, value: 0.3 } };
  const samples = {
    source: { $case: 'samples' as const, value: { dataset: 'mnist-5k', split: 'test', count: 1 } },
  };
  const noise = { source: { $case: 'noise' as const, value: { count: 1, seed: 4 } } };
  const targeted = { model: reference, targets: [3], options, omitImages: true };
  const jobId = 'training-absent';
  return new Map<string, readonly Uint8Array[]>([
    [
      '/percept.v1.Attack/Targeted',
      [samples, noise].map((images) =>
        AttackTargetedRequest.encode(AttackTargetedRequest.fromPartial({ ...targeted, images })).finish(),
      ),
    ],
    [
      '/percept.v1.Attack/Untargeted',
      [
        AttackUntargetedRequest.encode(
          AttackUntargetedRequest.fromPartial({ model: reference, options, images: samples, omitImages: true }),
        ).finish(),
      ],
    ],
    [
      '/percept.v1.Attack/TargetedStream',
      [
        AttackTargetedStreamRequest.encode(
          AttackTargetedStreamRequest.fromPartial({ attack: { ...targeted, images: noise } }),
        ).finish(),
      ],
    ],
    [
      '/percept.v1.Attack/Submit',
      [AttackSubmitRequest.encode(AttackSubmitRequest.fromPartial({ spec: smallAttack(model) })).finish()],
    ],
    [
      '/percept.v1.Attack/GetResult',
      [AttackGetResultRequest.encode(AttackGetResultRequest.fromPartial({ jobId })).finish()],
    ],
    ['/percept.v1.Attack/ListMethods', [AttackListMethodsRequest.encode({}).finish()]],
    [
      '/percept.v1.Dataset/Get',
      [DatasetGetRequest.encode(DatasetGetRequest.fromPartial({ name: 'mnist-5k' })).finish()],
    ],
    [
      '/percept.v1.Dataset/Read',
      [
        DatasetReadRequest.encode(
          DatasetReadRequest.fromPartial({ name: 'mnist-5k', split: 'test', batchSize: 8, limit: 16 }),
        ).finish(),
      ],
    ],
    [
      '/percept.v1.Dataset/GetSamples',
      [
        DatasetGetSamplesRequest.encode(
          DatasetGetSamplesRequest.fromPartial({ selection: { dataset: 'mnist-5k', split: 'test', count: 2 } }),
        ).finish(),
      ],
    ],
    [
      '/percept.v1.Dataset/Import',
      [DatasetFormat.IMAGE_FOLDER, DatasetFormat.MNIST_IDX].map((format) =>
        DatasetImportRequest.encode(
          DatasetImportRequest.fromPartial({
            part: {
              $case: 'header',
              value: { name: 'fuzzed', format, source: { $case: 'upload', value: { files: 2 } } },
            },
          }),
        ).finish(),
      ),
    ],
    [
      '/percept.v1.Models/Import',
      [ModelFormat.SAFETENSORS, ModelFormat.PYTORCH].map((format) =>
        ModelsImportRequest.encode(
          ModelsImportRequest.fromPartial({ part: { $case: 'header', value: { name: 'fuzzed', format } } }),
        ).finish(),
      ),
    ],
    ['/percept.v1.Models/Get', [ModelsGetRequest.encode(ModelsGetRequest.fromPartial({ model })).finish()]],
    ['/percept.v1.Models/Export', [ModelsExportRequest.encode(ModelsExportRequest.fromPartial({ model })).finish()]],
    [
      '/percept.v1.Models/SetAlias',
      [
        ModelsSetAliasRequest.encode(
          ModelsSetAliasRequest.fromPartial({ name: model, alias: 'best', version: 1 }),
        ).finish(),
      ],
    ],
    [
      '/percept.v1.Training/Submit',
      [
        TrainingSubmitRequest.encode(
          TrainingSubmitRequest.fromPartial({ spec: smallTraining({ registerAs: 'fuzzed' }) }),
        ).finish(),
      ],
    ],
    [
      '/percept.v1.Evaluation/Submit',
      [
        EvaluationSubmitRequest.encode(
          EvaluationSubmitRequest.fromPartial({ evaluation: { $case: 'report', value: smallReport(model) } }),
        ).finish(),
      ],
    ],
    ['/percept.v1.Evaluation/GetReport', [EvaluationGetReportRequest.encode({ reportId: 'absent' }).finish()]],
    [
      '/percept.v1.Evaluation/GetArtifact',
      [EvaluationGetArtifactRequest.encode(EvaluationGetArtifactRequest.fromPartial({ reportId: 'absent' })).finish()],
    ],
    ['/percept.v1.Jobs/Get', [JobsGetRequest.encode(JobsGetRequest.fromPartial({ jobId })).finish()]],
    ['/percept.v1.Jobs/List', [JobsListRequest.encode(JobsListRequest.fromPartial({ pageSize: 3 })).finish()]],
    ['/percept.v1.Jobs/Watch', [JobsWatchRequest.encode(JobsWatchRequest.fromPartial({ jobId })).finish()]],
    ['/percept.v1.Jobs/Cancel', [JobsCancelRequest.encode(JobsCancelRequest.fromPartial({ jobId })).finish()]],
  ]);
}
