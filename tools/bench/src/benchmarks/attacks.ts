import path from 'node:path';
import { argmax, forwardLogits } from '@percept/attacks';
import { type LoadedDataset, loadCifar10, loadEmbeddedMnist } from '@percept/datasets';
import type { ProfileSettings, Samples } from '@percept/measures';
import { selectEngine } from '@percept/tensor';
import { type AttackCost, AttackPeer } from '../attack-peer.js';
import { AttackWorkers } from '../attack-workers.js';
import { type ExportedModel, findModel, loadModel } from '../exported-model.js';
import type { BenchOptions } from '../options.js';

/** One side of a comparison: how many images still stand at each budget, and what it cost. */
export interface AttackOutcome {
  readonly label: string;
  readonly budgets: readonly number[];
  readonly standing: readonly number[];
  readonly cost: AttackCost;
}

/** Both sides, the peer's absent where none was asked for. */
export interface AttackComparison {
  readonly name: string;
  readonly model: string;
  readonly images: number;
  readonly ours: AttackOutcome;
  readonly peer?: AttackOutcome;
}

type AttackBenchmark = (
  model: string,
  options: BenchOptions,
  print: (line: string) => void,
) => Promise<AttackComparison>;

/** The benchmarks that compare whole attacks, by name. Both sides run in turn on the same images, weights and threads. */
export const attackBenchmarks: Readonly<Record<string, AttackBenchmark>> = {
  autoattack: (model, options, print) => compare('autoattack', model, options, print, ourAutoAttack, peerAutoAttack),
  profile: (model, options, print) => compare('profile', model, options, print, ourProfile, peerProfile),
};

interface Subject extends Samples {
  /** The data set's own budget and grid, in pixel units. */
  readonly epsilon: number;
  readonly grid: readonly number[];
}

type OurSide = (
  workers: AttackWorkers,
  subject: Subject,
  options: BenchOptions,
) => Promise<Omit<AttackOutcome, 'label'>>;
type PeerSide = (peer: AttackPeer, subject: Subject, options: BenchOptions) => Promise<Omit<AttackOutcome, 'label'>>;

async function compare(
  name: string,
  model: string,
  options: BenchOptions,
  print: (line: string) => void,
  our: OurSide,
  their: PeerSide,
): Promise<AttackComparison> {
  const { threads, peer, images } = options;
  const exported = await findModel(options.dataFolder, model);
  const subject = await firstTestImages(exported.dataset, options);
  const accuracy = await cleanAccuracy(exported, subject, options);
  print(`${name}: ${model}, the first ${images} test images, norm Infinity, ${threads} threads`);
  print(`  right without an attack: ${Math.round(accuracy * images)}/${images}`);
  const ours = await withWorkers(exported, subject, options, our);
  printOutcome(ours, images, print);
  if (peer === 'none' || peer === 'torch') return { name, model, images, ours };
  const theirs = await withPeer(exported, subject, accuracy, options, their);
  printOutcome(theirs, images, print);
  printRatio(ours, theirs, print);
  return { name, model, images, ours, peer: theirs };
}

/** @throws Error for a data set other than those that the presets train on. */
async function loadDataset(name: string, dataFolder: string): Promise<LoadedDataset> {
  if (name === 'mnist-5k') return await loadEmbeddedMnist();
  if (name === 'cifar10') return await loadCifar10(path.join(dataFolder, 'data', 'cifar-10-batches-bin'));
  throw new Error(`the model was trained on ${name}; the benchmarks know mnist-5k and cifar10`);
}

async function firstTestImages(dataset: string, { images: count, dataFolder }: BenchOptions): Promise<Subject> {
  const { splits, declaration } = await loadDataset(dataset, dataFolder);
  const test = splits.find(({ name }) => name === 'test');
  if (test === undefined) throw new Error(`${dataset} has no test split`);
  const ids = Int32Array.from({ length: count }, (_, i) => i);
  const labels = ids.map((i) => test.labels[i] as number);
  return { images: test.images(ids), labels, ids, epsilon: declaration.epsilon, grid: declaration.grid };
}

async function cleanAccuracy(
  exported: ExportedModel,
  { images, labels }: Subject,
  { threads, engine }: BenchOptions,
): Promise<number> {
  const info = await selectEngine({ threads, ...(engine === undefined ? {} : { engine }) });
  if (info.warning) console.error(`warning: ${info.warning}`);
  const model = await loadModel(exported);
  try {
    const logits = forwardLogits(model, images, labels.length);
    const right = labels.filter((label, i) => argmax(logits, i * model.classes, model.classes) === label);
    return right.length / labels.length;
  } finally {
    model.dispose();
  }
}

async function withWorkers(
  exported: ExportedModel,
  subject: Subject,
  options: BenchOptions,
  our: OurSide,
): Promise<AttackOutcome> {
  const workers = await AttackWorkers.start(exported, options);
  try {
    const { name, path: code } = workers.engine;
    const label = `percept ${name} ${code}, ${options.threads} workers of one thread`;
    return { label, ...(await our(workers, subject, options)) };
  } finally {
    await workers.close();
  }
}

async function withPeer(
  exported: ExportedModel,
  subject: Subject,
  accuracy: number,
  options: BenchOptions,
  their: PeerSide,
): Promise<AttackOutcome> {
  const peer = await AttackPeer.start(options.python, exported, subject, options.threads);
  try {
    if (Math.abs(peer.accuracy - accuracy) > 1e-9) {
      throw new Error(`PyTorch has the model ${peer.accuracy} right, ours ${accuracy}: these are not the same weights`);
    }
    return { label: `${options.peer} (${peer.version})`, ...(await their(peer, subject, options)) };
  } finally {
    await peer.close();
  }
}

/** The steps of APGD and FAB in a peer's AutoAttack, so that both sides follow one protocol: the paper's 100 but for torchattacks. */
const standardSteps: Partial<Record<BenchOptions['peer'], number>> = { torchattacks: 10 };

async function ourAutoAttack(
  workers: AttackWorkers,
  subject: Subject,
  { epsilon = subject.epsilon, peer, steps = standardSteps[peer] ?? 100 }: BenchOptions,
): Promise<Omit<AttackOutcome, 'label'>> {
  const settings = { epsilon, steps };
  return { budgets: [epsilon], ...(await workers.run('autoattack', subject, settings)) };
}

async function peerAutoAttack(
  peer: AttackPeer,
  { epsilon: own }: Subject,
  { epsilon = own, peer: library, steps }: BenchOptions,
): Promise<Omit<AttackOutcome, 'label'>> {
  const { standing, ...cost } = await peer.ask<{ standing: number[] } & AttackCost>({
    ...{ command: 'autoattack', library, norm: 'inf', epsilon, steps },
  });
  return { budgets: [epsilon], standing: [sum(standing)], cost };
}

/** Six budgets over the data set's grid. */
function sixBudgets(grid: readonly number[]): number[] {
  const last = grid.length - 1;
  return Array.from({ length: 6 }, (_, i) => grid[Math.round(((i + 1) * last) / 6)] as number);
}

/** The protocol that both sides follow: 50 steps of 2/255 and at most 10 restarts at every budget. */
const protocol = { step: 2 / 255, steps: 50, restarts: 10 } as const;

/**
 * Ours spends its share of the protocol where it counts: per image a bisection over the budgets, at each one start of 50 margin steps and then,
 * on what withstands it, Auto-PGD of 50 steps towards the two likeliest classes.
 */
function economicalProfile(budgets: readonly number[]): ProfileSettings {
  const { steps, step } = protocol;
  return {
    norm: Number.POSITIVE_INFINITY,
    grid: [0, ...budgets],
    strategy: 'bisect',
    attacks: [
      { name: 'pgd-50-margin', options: { step: { kind: 'absolute', size: step }, steps, loss: 'margin' } },
      { name: 'apgd-t-50x2', method: 'apgd-t', options: { steps, targetClasses: 2 } },
    ],
    confirmations: [],
    seed: 0,
    batchSize: 256,
  };
}

async function ourProfile(workers: AttackWorkers, subject: Subject) {
  const budgets = sixBudgets(subject.grid);
  const settings = economicalProfile(budgets);
  const { standing, cost } = await workers.run('profileBudgets', subject, { settings });
  return { budgets, standing: standing.slice(1), cost };
}

async function peerProfile(peer: AttackPeer, { grid }: Subject, { peer: library }: BenchOptions) {
  const budgets = sixBudgets(grid);
  const { standing, ...cost } = await peer.ask<{ standing: number[][] } & AttackCost>({
    ...{ command: 'profile', library, budgets, ...protocol },
  });
  return { budgets, standing: standing.map(sum), cost };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function printOutcome(
  { label, budgets, standing, cost }: AttackOutcome,
  images: number,
  print: (line: string) => void,
) {
  print(`  ${label}`);
  const curve = budgets.map((budget, i) => `${budget.toFixed(3)}: ${standing[i]}/${images}`).join('  ');
  print(`    robust at ${curve}`);
  const { seconds, processorSeconds, gradientImageSteps, forwardImagePasses } = cost;
  print(
    `    ${seconds.toFixed(1)} s (${processorSeconds.toFixed(1)} s of processors), ${gradientImageSteps} gradient image-steps, ${forwardImagePasses} forward image-passes`,
  );
}

function printRatio(ours: AttackOutcome, theirs: AttackOutcome, print: (line: string) => void): void {
  const share = (pick: (cost: AttackCost) => number): string =>
    `${((100 * pick(ours.cost)) / pick(theirs.cost)).toFixed(1)} %`;
  const above = Math.max(...ours.standing.map((value, i) => value - (theirs.standing[i] as number)));
  print(
    `  ours over the peer's: seconds ${share(({ seconds }) => seconds)} (of processors ${share(({ processorSeconds }) => processorSeconds)}), image-steps ${share(({ gradientImageSteps }) => gradientImageSteps)}; robust images above the peer's at most ${above}`,
  );
}
