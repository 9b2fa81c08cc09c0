import { type Goal, pgd, resolvePgdOptions } from '@percept/attacks';
import {
  AttackOptions,
  type AttackTargetedRequest,
  connect,
  encodeTensor,
  HealthService,
  StopRule,
} from '@percept/contracts';
import { PreActResNet } from '@percept/models';
import { selectEngine, uniformArray } from '@percept/tensor';
import type { BenchReport } from '../bench-report.js';
import type { Contender } from '../contender.js';
import { interleave } from '../interleave.js';
import type { BenchOptions } from '../options.js';
import { specOf } from '../step-work.js';
import { percentile } from '../summary.js';
import { cancelJob, hostServices, registerModel, startTraining } from './hosted-services.js';
import { load } from './load.js';
import { scaling } from './scaling.js';
import { untargeted } from './untargeted.js';

/** The benchmarks that time running services, by name. */
export const serviceBenchmarks: Readonly<Record<string, (options: BenchOptions) => Promise<BenchReport>>> = {
  'rpc-overhead': rpcOverhead,
  'health-under-load': healthUnderLoad,
  'cancel-latency': cancelLatency,
  load,
  scaling,
  untargeted,
};

const attackedImages = 10;
const attackSteps = 50;

/** `Attack.Targeted` over gRPC against the same attack computed in this process: 10 images, 50 steps each. */
async function rpcOverhead(options: BenchOptions): Promise<BenchReport> {
  const { threads, engine, width, rounds } = options;
  await selectEngine({ threads, ...(engine ? { engine } : {}) });
  const services = await hostServices(options);
  const spec = specOf(width);
  const shape = [attackedImages, spec.height, spec.widthPixels, spec.channels];
  const images = uniformArray({ seed: 7, purpose: 'benchmark images' }, attackedImages * 32 * 32 * 3, 0, 1);
  const model = PreActResNet.initialise(spec, 0);
  try {
    await registerModel(services, 'bench', width);
    const goal: Goal = { kind: 'targeted', targets: new Int32Array(attackedImages).fill(3) };
    const ids = Int32Array.from({ length: attackedImages }, (_, i) => i);
    const domain = resolvePgdOptions({
      epsilon: 8 / 255,
      steps: attackSteps,
      step: { kind: 'absolute', size: 2 / 255 },
      stop: 'all-steps',
    });
    const request: AttackTargetedRequest = {
      model: { reference: { $case: 'registered', value: 'bench' } },
      images: {
        source: {
          $case: 'inline',
          value: {
            images: { source: { $case: 'tensor', value: encodeTensor(images, shape) } },
            labels: [],
            sampleIds: [],
          },
        },
      },
      targets: [3],
      options: AttackOptions.fromPartial({
        epsilon: 8 / 255,
        steps: attackSteps,
        step: { $case: 'absoluteStep', value: 2 / 255 },
        stop: StopRule.ALL_STEPS,
      }),
      omitImages: false,
      includeOriginals: false,
    };
    const contenders: readonly Contender[] = [
      timed('Attack.Targeted over gRPC', async () => {
        await services.client.attack.targeted(request, { timeoutMs: 600_000 });
      }),
      timed('the same attack in process', async () => {
        await pgd(model, images, goal, ids, domain);
      }),
    ];
    const [overGrpc, inProcess] = (await interleave(contenders, rounds)).map(({ secondsPerStep }) => secondsPerStep);
    if (overGrpc === undefined || inProcess === undefined) throw new TypeError('two contenders were timed');
    const overhead = overGrpc.median / inProcess.median - 1;
    const seconds = ({ median, min, max }: typeof overGrpc): string =>
      `${median.toFixed(3)} s [${min.toFixed(3)}, ${max.toFixed(3)}]`;
    return {
      lines: [
        `${attackedImages} images, ${attackSteps} steps, median [min, max] per call`,
        `over gRPC ${seconds(overGrpc)}, in process ${seconds(inProcess)}: overhead ${(overhead * 100).toFixed(2)} %`,
      ],
      values: { overGrpcSeconds: overGrpc.median, inProcessSeconds: inProcess.median, overhead },
    };
  } finally {
    model.dispose();
    await services.close();
  }
}

function timed(label: string, work: () => Promise<void>): Contender {
  return {
    label,
    run: async (steps) => {
      const started = performance.now();
      for (let i = 0; i < steps; i++) await work();
      return (performance.now() - started) / 1000;
    },
    close: async () => undefined,
  };
}

const probesPerRound = 100;
const probeIntervalMs = 20;

/** Health checks, one every 20 ms, while an adversarial training runs in the same process as server and probe. */
async function healthUnderLoad(options: BenchOptions): Promise<BenchReport> {
  const services = await hostServices(options);
  const connection = connect(services.address);
  try {
    const jobId = await startTraining(services, options);
    const health = connection.calls(HealthService);
    const times: number[] = [];
    for (let probe = 0; probe < options.rounds * probesPerRound; probe++) {
      const started = performance.now();
      await health.check({ service: '' });
      times.push(performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, probeIntervalMs));
    }
    await cancelJob(services, jobId);
    const [p50, p99, max] = [percentile(times, 0.5), percentile(times, 0.99), percentile(times, 1)];
    return {
      lines: [
        `${times.length} probes during a training: median ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, longest ${max.toFixed(1)} ms`,
      ],
      values: { probes: times.length, medianMs: p50, p99Ms: p99, maxMs: max },
    };
  } finally {
    connection.close();
    await services.close();
  }
}

/** From the call of Jobs.Cancel to the end of the job, for a training in the midst of its steps. */
async function cancelLatency(options: BenchOptions): Promise<BenchReport> {
  const services = await hostServices(options);
  try {
    const times: number[] = [];
    for (let round = 0; round < options.rounds; round++)
      times.push(await cancelJob(services, await startTraining(services, options)));
    const [median, max] = [percentile(times, 0.5), percentile(times, 1)];
    return {
      lines: [`${times.length} trainings cancelled: median ${median.toFixed(0)} ms, longest ${max.toFixed(0)} ms`],
      values: { cancelled: times.length, medianMs: median, maxMs: max },
    };
  } finally {
    await services.close();
  }
}
