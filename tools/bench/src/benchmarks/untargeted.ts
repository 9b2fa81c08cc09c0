import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { argmax, forwardLogits } from '@percept/attacks';
import { AttackOptions, encodeTensor, LabelSource, StopRule } from '@percept/contracts';
import { PreActResNet } from '@percept/models';
import { selectEngine, uniformArray, writeSafetensors } from '@percept/tensor';
import { AttackPeer } from '../attack-peer.js';
import type { BenchReport } from '../bench-report.js';
import type { BenchOptions } from '../options.js';
import { specOf } from '../step-work.js';
import { summarise } from '../summary.js';
import { keepsMemory } from '../torch-peer.js';
import { type HostedServices, hostServices, registerModel } from './hosted-services.js';

const attackSteps = 50;
const warmingSteps = 2;
const epsilon = 8 / 255;
const stepSize = 2 / 255;

/** One way to run PGD of a number of steps on all images; resolves with how many it fools. */
interface Attacker {
  readonly label: string;
  attack(steps: number): Promise<number>;
}

/** The images and what the model says of them, which is what an attack shall change. */
interface Subject {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/**
 * PGD of 50 steps on the batch through `Attack.Untargeted`, gRPC and all, in turn with torchattacks on the same weights and images, with
 * glibc's malloc as it is and tuned to keep memory.
 */
export async function untargeted(options: BenchOptions): Promise<BenchReport> {
  const { width, batch, threads, engine, rounds, peer, python } = options;
  await selectEngine({ threads, ...(engine ? { engine } : {}) });
  const spec = specOf(width);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'percept-untargeted-'));
  const closing: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const weights = path.join(folder, 'weights.safetensors');
    const subject = await writeModel(width, batch, weights);
    const services = await hostServices(options);
    closing.push(() => services.close());
    await registerModel(services, 'bench', width);
    const attackers: Attacker[] = [ourAttacker(services, subject, [batch, spec.height, spec.widthPixels, 3])];
    if (peer === 'torchattacks')
      for (const [label, environment] of [
        ['', {}],
        [', malloc tuned', keepsMemory],
      ] as const) {
        const side = await AttackPeer.start(python, { spec, weights }, subject, threads, environment);
        closing.push(() => side.close());
        attackers.push({
          label: `torchattacks (${side.version})${label}`,
          attack: async (steps) => {
            const request = {
              command: 'iterate',
              library: 'torchattacks',
              norm: 'inf',
              epsilon,
              step: stepSize,
              steps,
            };
            const { success } = await side.ask<{ success: number[] }>({ ...request, out: side.file('iterate.f32') });
            return success.reduce((sum, one) => sum + one, 0);
          },
        });
      }
    return await inTurn(attackers, rounds, batch);
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

async function inTurn(attackers: readonly Attacker[], rounds: number, batch: number): Promise<BenchReport> {
  for (const { attack } of attackers) await attack(warmingSteps);
  const seconds = attackers.map((): number[] => []);
  const fooled = attackers.map(() => 0);
  for (let round = 0; round < rounds; round++)
    for (const [i, { attack }] of attackers.entries()) {
      const started = performance.now();
      fooled[i] = await attack(attackSteps);
      seconds[i]?.push((performance.now() - started) / 1000);
    }
  const summaries = seconds.map(summarise);
  const lines = attackers.map(({ label }, i) => {
    const { median, min, max } = summaries[i] as (typeof summaries)[number];
    return `${label}: ${median.toFixed(2)} s [${min.toFixed(2)}, ${max.toFixed(2)}], ${fooled[i]} of ${batch} images fooled`;
  });
  const [ours, ...peers] = summaries.map(({ median }) => median) as [number, ...number[]];
  if (peers.length === 0) return { lines, values: { oursSeconds: ours } };
  const fastest = Math.min(...peers);
  return {
    lines: [...lines, `${(fastest / ours).toFixed(2)} x the fastest setting of the peer`],
    values: { oursSeconds: ours, peerSeconds: fastest, ratio: fastest / ours },
  };
}

async function writeModel(width: number, batch: number, weights: string): Promise<Subject> {
  const model = PreActResNet.initialise(specOf(width), 0);
  try {
    await writeFile(weights, writeSafetensors(model.toTensors()));
    const images = uniformArray({ seed: 7, purpose: 'benchmark images' }, batch * 32 * 32 * 3, 0, 1);
    const logits = forwardLogits(model, images, batch);
    const labels = Int32Array.from({ length: batch }, (_, i) => argmax(logits, i * model.classes, model.classes));
    return { images, labels };
  } finally {
    model.dispose();
  }
}

function ourAttacker(services: HostedServices, { images, labels }: Subject, shape: readonly number[]): Attacker {
  return {
    label: 'percept, Attack.Untargeted over gRPC',
    attack: async (steps) => {
      const tensor = { source: { $case: 'tensor' as const, value: encodeTensor(images, [...shape]) } };
      const request = {
        model: { reference: { $case: 'registered' as const, value: 'bench' } },
        images: {
          source: { $case: 'inline' as const, value: { images: tensor, labels: [...labels], sampleIds: [] } },
        },
        labelsFrom: LabelSource.GIVEN,
        options: AttackOptions.fromPartial({
          epsilon,
          steps,
          step: { $case: 'absoluteStep', value: stepSize },
          stop: StopRule.ALL_STEPS,
        }),
        omitImages: false,
        includeOriginals: false,
      };
      const { result } = await services.client.attack.untargeted(request, { timeoutMs: 600_000 });
      return result?.summary?.successes ?? 0;
    },
  };
}
