import {
  AttackOptions,
  type AttackResult,
  AttackSpec,
  connect,
  DataType,
  decodeTensor,
  type EvaluationSubmitRequest,
  encodeTensor,
  HealthCheckResponse_ServingStatus,
  HealthService,
  type ImageSource,
  type ImageTensor,
  type InlineImages,
  JobState,
  LabelSource,
  type ModelReference,
  PerceptRpcError,
  Precision,
  RecognizabilitySpec,
  type RemoteModel,
  ReportSpec,
  SmoothnessSpec,
  type StatusName,
  StopRule,
  type Tensor,
  TrainingSpec,
} from '@percept/contracts';
import type { Endpoints } from '@percept/gateways';
import { readSafetensors } from '@percept/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followJob } from '../../src/follow-job.js';
import { type PerceptClient, perceptClient } from '../../src/percept-client.js';
import { ProgressDisplay } from '../../src/progress-display.js';
import { refusedCalls, suiteModel } from './contract-cases.js';

/** Services under test. */
export interface ServicesUnderTest {
  readonly endpoints: Endpoints;
  /** Of the Open Inference server; the services may connect to it. */
  readonly inference: string;
  close(): Promise<void>;
}

const suiteTraining = TrainingSpec.fromPartial({
  recipe: 'standard',
  preset: 'quickstart',
  dataset: 'mnist-5k',
  width: 2,
  blocks: [1, 1, 1, 1],
  epochs: 1,
  trainLimit: 200,
  testLimit: 50,
  registerAs: suiteModel,
});

/** What must hold of the services in whatever form they run. */
export function contractSuite(form: string, start: () => Promise<ServicesUnderTest>): void {
  describe(`the services in their ${form} form`, () => {
    let services: ServicesUnderTest | undefined;
    let client: PerceptClient;

    beforeAll(async () => {
      services = await start();
      client = perceptClient(services.endpoints);
      const { job } = await client.training.submit({ requestId: 'suite', spec: suiteTraining });
      await followJob(
        client.jobs('training'),
        job?.id ?? '',
        'suite',
        new ProgressDisplay(),
        AbortSignal.timeout(120_000),
      );
    }, 180_000);

    afterAll(async () => {
      client?.close();
      await services?.close();
    }, 60_000);

    it.each(refusedCalls)('refuse $name with $code', async ({ code, fields, call }) => {
      const error = await call(client).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(PerceptRpcError);
      const refused = error as PerceptRpcError;
      expect({ code: refused.code, message: refused.rawMessage }).toMatchObject({ code });
      if (fields) expect(refused.violations.map(({ field }) => field).sort()).toEqual([...fields].sort());
    });

    it('answer a targeted attack within its budget, image by image', async () => {
      const { result } = await client.attack.targeted({
        model: { reference: { $case: 'registered', value: suiteModel } },
        images: {
          source: {
            $case: 'samples',
            value: { dataset: 'mnist-5k', split: 'test', indices: [5, 3], first: 0, count: 0 },
          },
        },
        targets: [1],
        options: AttackOptions.fromPartial({ epsilon: 0.1, steps: 5, step: { $case: 'relativeStep', value: 0.3 } }),
        omitImages: false,
        includeOriginals: true,
      });
      const images = decodeTensor(result?.images, 'images').data;
      const originals = decodeTensor(result?.originals, 'originals').data;
      let largest = 0;
      for (const [i, value] of images.entries()) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
        largest = Math.max(largest, Math.abs(value - (originals[i] as number)));
      }
      expect(largest).toBeLessThanOrEqual(Math.fround(0.1) + 1e-7);
      expect(result?.outcomes.map(({ sampleId }) => sampleId)).toEqual([5, 3]);
      expect(result?.execution?.modelDigest).toMatch(/^[0-9a-f]{64}$/);
    });

    it('give the same answer to the same attack', async () => {
      const attack = async (): Promise<unknown> => {
        const { result } = await client.attack.targeted({
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: { source: { $case: 'noise', value: { count: 2, seed: 4 } } },
          targets: [1, 2],
          options: AttackOptions.fromPartial({ steps: 3 }),
          omitImages: false,
          includeOriginals: false,
        });
        return { ...result, execution: undefined };
      };
      expect(await attack()).toEqual(await attack());
    });

    it.each(['pgd', 'apgd-ce', 'fab'])(
      'attack in bfloat16 by %s, reporting it and only what float32 confirms',
      async (method) => {
        const { result } = await client.attack.untargeted({
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: {
            source: {
              $case: 'samples',
              value: { dataset: 'mnist-5k', split: 'test', indices: [], first: 0, count: 4 },
            },
          },
          labelsFrom: 1,
          options: AttackOptions.fromPartial({ method, epsilon: 0.3, steps: 4, precision: Precision.BFLOAT16 }),
          omitImages: false,
          includeOriginals: false,
        });
        expect(result?.options?.precision).toBe(Precision.BFLOAT16);
        const outcomes = result?.outcomes ?? [];
        const unconfirmed = outcomes.reduce((sum, one) => sum + one.unconfirmedSuccesses, 0);
        expect(result?.summary?.unconfirmedSuccesses).toBe(unconfirmed);
        const inFloat32 = await client.attack.untargeted({
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: {
            source: {
              $case: 'inline',
              value: {
                images: { source: { $case: 'tensor', value: result?.images as Tensor } },
                labels: outcomes.map(({ goalClass }) => goalClass),
                sampleIds: [],
              },
            },
          },
          labelsFrom: 1,
          options: AttackOptions.fromPartial({ epsilon: 0, steps: 1 }),
          omitImages: true,
          includeOriginals: false,
        });
        for (const [i, { predictionBefore, confidenceBefore }] of (inFloat32.result?.outcomes ?? []).entries()) {
          expect(outcomes[i]?.success).toBe(predictionBefore !== outcomes[i]?.goalClass);
          expect(outcomes[i]).toMatchObject({ predictionAfter: predictionBefore, confidenceAfter: confidenceBefore });
        }
      },
    );

    it.each(['apgd-ce', 'apgd-dlr', 'apgd-t', 'fab', 'square', 'autoattack'])(
      'answer an untargeted attack by %s, naming what broke each image',
      async (method) => {
        const counts = method === 'square' ? { queries: 12 } : { steps: 4 };
        const { result } = await client.attack.untargeted({
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: {
            source: {
              $case: 'samples',
              value: { dataset: 'mnist-5k', split: 'test', indices: [], first: 0, count: 3 },
            },
          },
          labelsFrom: 1,
          options: AttackOptions.fromPartial({
            method,
            epsilon: 0.3,
            ...counts,
            ...(method === 'autoattack' ? { queries: 12, targetClasses: 2 } : {}),
          }),
          omitImages: true,
          includeOriginals: false,
        });
        expect(result?.options?.method).toBe(method);
        expect(result?.outcomes).toHaveLength(3);
        for (const outcome of result?.outcomes ?? []) {
          expect(outcome.distances?.linf).toBeLessThanOrEqual(0.3);
          if (outcome.success && outcome.keptRestart >= 0) expect(outcome.keptAttack).not.toBe('');
        }
      },
    );

    it('attack images of an earlier report, named by address and digest, as the same images sent along', async () => {
      const profile = ReportSpec.fromPartial({
        models: [{ model: { reference: { $case: 'registered', value: suiteModel } } }],
        samples: { dataset: 'mnist-5k', split: 'test', count: 12 },
        profile: { grid: [0, 0.3], attack: { steps: 5 } },
      });
      const { job } = await client.evaluation.submit({
        requestId: '',
        evaluation: { $case: 'report', value: profile },
      });
      const reportId = job?.id ?? '';
      const signal = AbortSignal.timeout(120_000);
      await followJob(client.jobs('evaluation'), reportId, 'evaluation', new ProgressDisplay(), signal);
      const { artifacts } = await client.evaluation.getReport({ reportId });
      const witnesses = artifacts.find(({ name }) => name.endsWith('.safetensors'));
      const parts: Uint8Array[] = [];
      for await (const { chunk } of client.evaluation.getArtifact({ reportId, name: witnesses?.name ?? '' }))
        if (chunk) parts.push(chunk.data);
      const images = readSafetensors(Buffer.concat(parts)).tensors['images'];
      const shape = [...(images?.shape ?? [])];
      const attack = async (source: ImageTensor['source']): Promise<unknown> => {
        const { result } = await client.attack.untargeted({
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: { source: { $case: 'inline', value: { images: { source }, labels: [], sampleIds: [] } } },
          labelsFrom: LabelSource.PREDICTIONS,
          options: AttackOptions.fromPartial({ epsilon: 0.1, steps: 3 }),
          omitImages: false,
          includeOriginals: true,
        });
        return { ...result, execution: undefined };
      };
      const { uri = '', sha256 = '' } = witnesses ?? {};
      const ref = { uri: `${uri}#images`, sha256, dtype: DataType.FLOAT32, shape };
      expect(await attack({ $case: 'ref', value: ref })).toEqual(
        await attack({ $case: 'tensor', value: encodeTensor(images?.data as Float32Array, shape) }),
      );
    }, 180_000);

    it('attack the predictions of the model as they attack the same classes given as labels', async () => {
      const attack = async (change: Partial<InlineImages>, labelsFrom: LabelSource): Promise<AttackResult> => {
        const { images } = await client.dataset.getSamples({
          selection: { dataset: 'mnist-5k', split: 'test', indices: [], first: 0, count: 6 },
        });
        const inline = {
          images: images && { source: { $case: 'tensor', value: images } as const },
          labels: [],
          sampleIds: [],
        };
        const { result } = await client.attack.untargeted({
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: { source: { $case: 'inline', value: { ...inline, ...change } } },
          labelsFrom,
          options: AttackOptions.fromPartial({ epsilon: 0.2, steps: 4 }),
          omitImages: false,
          includeOriginals: false,
        });
        return result as AttackResult;
      };
      const predicted = await attack({}, LabelSource.PREDICTIONS);
      const labels = predicted.outcomes.map(({ goalClass }) => goalClass);
      expect(labels).toEqual(predicted.outcomes.map(({ predictionBefore }) => predictionBefore));
      const given = await attack({ labels }, LabelSource.GIVEN);
      expect(predicted.images).toEqual(given.images);
      expect(predicted.outcomes).toEqual(given.outcomes.map((outcome) => ({ ...outcome, label: undefined })));
      expect(predicted.execution?.forwardImagePasses).toBe(given.execution?.forwardImagePasses);
    });

    describe('of a model behind an inference endpoint', () => {
      const remote = (change: Partial<RemoteModel> = {}): ModelReference => ({
        reference: {
          $case: 'remote',
          value: {
            endpoint: services?.inference ?? '',
            name: suiteModel,
            version: '1',
            input: '',
            output: 'logits',
            ...change,
          },
        },
      });
      const registered: ModelReference = { reference: { $case: 'registered', value: suiteModel } };
      const samples = { dataset: 'mnist-5k', split: 'test', indices: [], first: 0, count: 6 };
      const images: ImageSource = { source: { $case: 'samples', value: samples } };
      const common = { images, omitImages: false, includeOriginals: false };
      const options = (norm: number): AttackOptions =>
        AttackOptions.fromPartial({
          method: 'square',
          norm,
          epsilon: norm === 2 ? 1 : 0.1,
          queries: 12,
          restarts: 2,
          stop: StopRule.ALL_STEPS,
        });
      const outcome = (result: AttackResult | undefined): unknown => ({
        ...result,
        execution: { ...result?.execution, modelDigest: '', modelId: '', wallSeconds: 0 },
      });

      it.each([Number.POSITIVE_INFINITY, 2])(
        'give what square finds on the same model here, bit for bit, in norm %d',
        async (norm) => {
          const untargeted = (labelsFrom: LabelSource) => async (model: ModelReference) =>
            await client.attack.untargeted({ ...common, model, labelsFrom, options: options(norm) });
          const targeted = async (model: ModelReference) =>
            await client.attack.targeted({ ...common, model, targets: [3], options: options(norm) });
          for (const attack of [untargeted(LabelSource.GIVEN), untargeted(LabelSource.PREDICTIONS), targeted]) {
            const here = await attack(registered);
            const there = await attack(remote());
            expect(there.result?.outcomes.some(({ queriesUsed }) => queriesUsed > 10)).toBe(true);
            expect(there.result?.execution).toMatchObject({ modelDigest: '', modelId: '', gradientImageSteps: 0 });
            expect(outcome(there.result)).toEqual(outcome(here.result));
          }
        },
        120_000,
      );

      it('stream the progress of the attack', async () => {
        const updates: (string | undefined)[] = [];
        const few = { ...options(Number.POSITIVE_INFINITY), queries: 3, restarts: 1 };
        const attack = { ...common, model: remote(), targets: [3], options: few };
        for await (const { update } of client.attack.targetedStream({ attack })) updates.push(update?.$case);
        expect(updates).toContain('progress');
        expect(updates.at(-1)).toBe('result');
      }, 120_000);

      it.each<[string, Partial<RemoteModel>, StatusName, RegExp]>([
        ['a name that is none there', { name: 'nobody' }, 'NOT_FOUND', /no model "nobody" of version 1 on 127/],
        ['no output among several', { output: '' }, 'INVALID_ARGUMENT', /model.remote.output: must name one of logits/],
        ['a server that is down', { endpoint: '127.0.0.1:1' }, 'UNAVAILABLE', /127.0.0.1:1 is not available: ECONN/],
      ])('refuse %s', async (_, change, code, message) => {
        const attack = client.attack.targeted({
          ...common,
          model: remote(change),
          targets: [3],
          options: options(Number.POSITIVE_INFINITY),
        });
        const error = await attack.catch((reason: unknown) => reason);
        expect(error).toMatchObject({ code, rawMessage: expect.stringMatching(message) });
      });
    });

    it('list square as the one method that needs no gradients', async () => {
      const { methods } = await client.attack.listMethods({});
      expect(methods.filter(({ blackBox }) => blackBox).map(({ name }) => name)).toEqual(['square']);
    });

    it('stream the progress of an attack and its result last', async () => {
      const updates: (string | undefined)[] = [];
      for await (const { update } of client.attack.targetedStream({
        attack: {
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: { source: { $case: 'noise', value: { count: 1, seed: 0 } } },
          targets: [1],
          options: AttackOptions.fromPartial({ steps: 4, snapshotsEvery: 2, stop: 2 }),
          omitImages: false,
          includeOriginals: false,
        },
      })) {
        updates.push(update?.$case);
      }
      expect(updates).toContain('progress');
      expect(updates.filter((one) => one === 'snapshot')).toHaveLength(2);
      expect(updates.at(-1)).toBe('result');
    });

    it('give the same job for the same request id', async () => {
      const submit = async (): Promise<string | undefined> => {
        const spec = AttackSpec.fromPartial({
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: { source: { $case: 'samples', value: { dataset: 'mnist-5k', split: 'test', count: 3 } } },
          goal: { $case: 'targeted', value: { targets: [1] } },
          options: { steps: 2 },
        });
        const { job } = await client.attack.submit({ requestId: 'same', spec });
        return job?.id;
      };
      const id = await submit();
      expect(await submit()).toBe(id);
      const ended = await followJob(
        client.jobs('attack'),
        id ?? '',
        'attack',
        new ProgressDisplay(),
        AbortSignal.timeout(60_000),
      );
      expect(ended.result?.result?.$case).toBe('attack');
    });

    it('attack as a job the noise images that one call attacks, in shards', async () => {
      const noise = { source: { $case: 'noise' as const, value: { count: 203, seed: 6 } } };
      const model = { reference: { $case: 'registered' as const, value: suiteModel } };
      const options = AttackOptions.fromPartial({ steps: 1 });
      const goal = { $case: 'targeted' as const, value: { targets: [1] } };
      const spec = AttackSpec.fromPartial({ model, images: noise, goal, options });
      const { job } = await client.attack.submit({ requestId: '', spec });
      const id = job?.id ?? '';
      await followJob(client.jobs('attack'), id, 'attack', new ProgressDisplay(), AbortSignal.timeout(60_000));
      const inShards: Uint8Array[] = [];
      for await (const { result } of client.attack.getResult({ jobId: id, first: 0, count: 0, omitImages: false }))
        inShards.push(result?.images?.data ?? new Uint8Array());
      expect(inShards).toHaveLength(2);
      const { result } = await client.attack.targeted({
        model,
        images: noise,
        targets: [1],
        options,
        omitImages: false,
        includeOriginals: false,
      });
      expect(Buffer.concat(inShards).equals(result?.images?.data ?? new Uint8Array())).toBe(true);
    });

    it('measure smoothness and recognizability as jobs, and compare reports sample by sample', async () => {
      const train = TrainingSpec.fromPartial({
        recipe: 'standard',
        preset: 'quickstart',
        dataset: 'mnist-5k',
        width: 2,
        blocks: [1, 1, 1, 1],
        epochs: 1,
        trainLimit: 128,
        testLimit: 10,
        seed: 9,
        registerAs: 'contract-judge',
      });
      const follow = async (owner: 'training' | 'evaluation', id: string | undefined): Promise<string> => {
        const signal = AbortSignal.timeout(120_000);
        await followJob(client.jobs(owner), id ?? '', owner, new ProgressDisplay(), signal);
        return id ?? '';
      };
      const trained = await client.training.submit({ requestId: 'judge', spec: train });
      await follow('training', trained.job?.id);
      const model = { reference: { $case: 'registered', value: suiteModel } } as const;
      const samples = { dataset: 'mnist-5k', split: 'test', count: 12 };
      const measured = async (evaluation: EvaluationSubmitRequest['evaluation']): Promise<string> => {
        const { job } = await client.evaluation.submit({ requestId: '', evaluation });
        return await follow('evaluation', job?.id);
      };
      const smooth = await measured({
        $case: 'smoothness',
        value: SmoothnessSpec.fromPartial({ model, samples, projections: 3, radius: 0.05 }),
      });
      const recognised = await measured({
        $case: 'recognizability',
        value: RecognizabilitySpec.fromPartial({
          model,
          samples,
          judges: [{ reference: { $case: 'registered', value: 'contract-judge' } }],
          attack: { steps: 3 },
          pictures: 10,
          bootstrapSamples: 100,
        }),
      });
      const modelOf = async (reportId: string): Promise<Record<string, Record<string, unknown>>> => {
        const { reportJson } = await client.evaluation.getReport({ reportId });
        return JSON.parse(new TextDecoder().decode(reportJson)).models[0];
      };
      expect((await modelOf(smooth))['smoothness']).toMatchObject({
        samples: 12,
        lemma: { holds: true },
        estimates: { projections: 3 },
        localLipschitz: { radius: 0.05 },
      });
      expect((await modelOf(recognised))['recognizability']).toMatchObject({
        topOne: { n: 10, clusters: 10 },
        judges: [{ name: 'contract-judge' }],
      });
      const compared = await client.evaluation.compareReports({ reportIds: [smooth, recognised] });
      expect(compared.identical).toBe(false);
      expect(compared.pairedTests).toMatchObject([
        { model: suiteModel, report: 1, epsilon: 0, samples: 12, onlyFirst: 0, onlyOther: 0, pValue: 1 },
      ]);
      const same = await client.evaluation.compareReports({ reportIds: [smooth, smooth] });
      expect(same).toMatchObject({ identical: true, differingSettings: [] });
    }, 240_000);

    const longTraining = TrainingSpec.fromPartial({
      recipe: 'pgd',
      preset: 'quickstart',
      dataset: 'mnist-5k',
      width: 8,
      epochs: 100,
    });
    const startLongTraining = async (): Promise<string> => {
      const { job } = await client.training.submit({ requestId: '', spec: longTraining });
      const jobId = job?.id ?? '';
      for await (const { event } of client.jobs('training').watch({ jobId, afterSequence: 0, follow: true }))
        if (event?.event?.$case === 'progress') break;
      return jobId;
    };
    const untilEnd = async (jobId: string): Promise<unknown> =>
      await followJob(client.jobs('training'), jobId, 'training', new ProgressDisplay(), AbortSignal.timeout(60_000));

    it('stay answered, health checks and attacks too, while a training runs', async () => {
      const jobId = await startLongTraining();
      const connections = Object.values(services?.endpoints ?? {}).map((address) => connect(address));
      try {
        for (const connection of connections) {
          const { status } = await connection.calls(HealthService).check({ service: '' }, { timeoutMs: 5_000 });
          expect(status).toBe(HealthCheckResponse_ServingStatus.SERVING);
        }
        const { datasets } = await client.dataset.list({});
        expect(datasets.length).toBeGreaterThan(0);
        const { result } = await client.attack.targeted({
          model: { reference: { $case: 'registered', value: suiteModel } },
          images: { source: { $case: 'noise', value: { count: 1, seed: 4 } } },
          targets: [1],
          options: AttackOptions.fromPartial({ steps: 2 }),
          omitImages: true,
          includeOriginals: false,
        });
        expect(result?.outcomes).toHaveLength(1);
        const { job } = await client.jobs('training').get({ jobId });
        expect(job?.state).toBe(JobState.RUNNING);
      } finally {
        for (const connection of connections) connection.close();
        await client.jobs('training').cancel({ jobId, requestId: '' });
      }
    });

    it('cancel a running training, whose worker is then free for the next', async () => {
      const jobId = await startLongTraining();
      await client.jobs('training').cancel({ jobId, requestId: '' });
      await expect(untilEnd(jobId)).rejects.toThrow('was cancelled');
      const { job } = await client.jobs('training').get({ jobId });
      expect(job).toMatchObject({ state: JobState.CANCELLED, result: undefined });
      const next = await client.training.submit({
        requestId: '',
        spec: { ...suiteTraining, registerAs: 'after-cancel' },
      });
      expect(await untilEnd(next.job?.id ?? '')).toMatchObject({ state: JobState.SUCCEEDED });
    });
  });
}
