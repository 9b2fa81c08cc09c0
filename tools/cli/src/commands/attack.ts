import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import {
  AttackOptions,
  type AttackResult,
  decodeTensor,
  encodeTensor,
  ImageSource,
  LabelSource,
  type ModelReference,
  Precision,
} from '@percept/contracts';
import { type Command, Option } from 'commander';
import { attackOptionFlags } from '../attack-option-flags.js';
import { type FieldFlags, namingFlags, UsageError } from '../exit-code.js';
import { parseCount, parseCounts, parseNumber, print, withClient, withClientOptions } from '../global-options.js';
import { acceptPeerNames, underOurNames } from '../peer-vocabulary.js';
import { readPng, writePng } from '../png-images.js';
import { formatTable } from '../table.js';

/** The settings that are one of a few words, with the numbers of the contract. */
const choices: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  loss: { 'cross-entropy': 1, margin: 2, dlr: 3 },
  start: { uniform: 1, origin: 2 },
  stop: { 'first-success': 1, 'all-steps': 2 },
  keep: { best: 1, last: 2 },
  projection: { exact: 1, sequential: 2 },
  stepRule: { 'box-aware': 1, plain: 2 },
  precision: { float32: 1, bfloat16: 2 },
};

/** Which option sets a field of the request. */
const attackFlags: FieldFlags = {
  model: '--model',
  'model.remote.endpoint': '--endpoint',
  'model.remote.version': '--model-version',
  'model.remote.input': '--input',
  'model.remote.output': '--output',
  images: '--image, --dataset or --noise',
  'images.inline': '--image',
  'images.inline.labels': '--label',
  'images.samples': '--dataset',
  'images.samples.count': '--count',
  'images.samples.indices': '--indices',
  'images.noise': '--noise',
  'images.noise.seed': '--seed',
  selection: '--dataset',
  'selection.count': '--count',
  'selection.first': '--count',
  'selection.indices': '--indices',
  targets: '--target',
  labels_from: '--labels-from',
  ...attackOptionFlags('options'),
};

const labelSources: Readonly<Record<string, LabelSource>> = {
  given: LabelSource.GIVEN,
  predictions: LabelSource.PREDICTIONS,
};

function withAttackOptions(command: Command): Command {
  acceptPeerNames(command, {
    epsilon: parseNumber,
    step: parseNumber,
    relativeStep: parseNumber,
    steps: parseCount,
    restarts: parseCount,
    queries: parseCount,
    targetClasses: parseCount,
  });
  return withClientOptions(command)
    .requiredOption('--model <model>', 'name, name@version, name:alias or id of a model')
    .option('--endpoint <host:port>', 'the model is one of this Open Inference server, which needs --method square')
    .option('--model-version <version>', 'its version there (with --endpoint)')
    .option('--input <name>', 'its image input, where it has several (with --endpoint)')
    .option('--output <name>', 'its output of logits, where it has several (with --endpoint)')
    .option('--image <file...>', 'PNG files to attack')
    .option('--dataset <name>', 'attack samples of this data set instead')
    .option('--indices <n,n,...>', 'numbers of the samples in the test split', parseCounts)
    .option('--count <n>', 'attack the first so many samples of the test split', parseCount)
    .option('--norm <p>', "the norm's p, at least 1; inf", parseNumber)
    .option('--epsilon <e>', 'the budget in pixel units of [0, 1], such as 8/255; inf: unbounded', parseNumber)
    .option('--step <a>', 'length of a step in pixel units, such as 2/255', parseNumber)
    .option('--relative-step <a>', 'length of a step as a fraction of epsilon', parseNumber)
    .option('--steps <n>', 'gradient steps per restart', parseCount)
    .option('--restarts <n>', 'starts per image at most', parseCount)
    .option('--start <law>', 'uniform or origin')
    .option('--loss <loss>', 'cross-entropy, margin or dlr')
    .option('--stop <rule>', 'first-success or all-steps')
    .option('--keep <rule>', 'best or last iterate')
    .option('--projection <kind>', 'exact or sequential')
    .option('--step-rule <rule>', 'for norm 1: box-aware or plain')
    .option('--method <name>', 'pgd, fgsm, inversion, apgd-ce, apgd-dlr, apgd-t, fab, square or autoattack', 'pgd')
    .option('--queries <n>', 'proposals of square', parseCount)
    .option('--target-classes <n>', 'how many classes apgd-t, fab and autoattack aim at', parseCount)
    .option('--momentum <share>', "apgd's weight of a step against the move before it", parseNumber)
    .option('--precision <kind>', 'of the steps: float32, or bfloat16 with successes confirmed in float32')
    .option('--seed <n>', 'seed of the random starts', parseCount, 0)
    .option('--out <folder>', 'write the adversarial images there as PNG');
}

/** `percept attack targeted | untargeted | methods`. */
export function addAttack(program: Command): void {
  const attack = program.command('attack').description('attack images');
  withAttackOptions(attack.command('targeted').description('change images until the model sees the target class'))
    .requiredOption('--target <class,...>', 'class to reach: one for all images, or one per image', parseCounts)
    .option('--noise <n>', 'start from so many noise images', parseCount)
    .action(async (options) => {
      const images = await imagesOf(options);
      await withClient(options, async (client, signal) => {
        const call = client.attack.targeted(
          {
            model: modelOf(options),
            images,
            targets: options.target,
            options: attackOptions(options),
            omitImages: false,
            includeOriginals: false,
          },
          { signal, timeoutMs: 600_000 },
        );
        const { result } = await namingFlags(attackFlags, call);
        await report(options, result as AttackResult);
      });
    });
  withAttackOptions(
    attack.command('untargeted').description('change images until the model no longer sees their class'),
  )
    .option('--label <class,...>', 'true class of each PNG file', parseCounts)
    .addOption(
      new Option('--labels-from <source>', 'leave the label, or what the model predicts for the original')
        .choices(Object.keys(labelSources))
        .default('given'),
    )
    .option('--noise <n>', 'start from so many noise images; they have no labels', parseCount)
    .action(async (options) => {
      const images = await imagesOf(options);
      await withClient(options, async (client, signal) => {
        const call = client.attack.untargeted(
          {
            model: modelOf(options),
            images,
            labelsFrom: labelSources[options.labelsFrom] as LabelSource,
            options: attackOptions(options),
            omitImages: false,
            includeOriginals: false,
          },
          { signal, timeoutMs: 600_000 },
        );
        const { result } = await namingFlags(attackFlags, call);
        await report(options, result as AttackResult);
      });
    });
  withClientOptions(attack.command('methods').description('list the attacks with their parameters')).action(
    async (options) => {
      await withClient(options, async (client) => {
        const { methods } = await client.attack.listMethods({});
        print(options, methods, () =>
          methods
            .map(({ name, description, parameters }) =>
              [
                `${name}: ${description}`,
                ...parameters.map((one) => `    ${one.name.padEnd(14)} ${one.description}`),
              ].join('\n'),
            )
            .join('\n'),
        );
      });
    },
  );
}

interface ModelOptions {
  readonly model: string;
  readonly endpoint?: string;
  readonly modelVersion?: string;
  readonly input?: string;
  readonly output?: string;
}

function modelOf({ model, endpoint, modelVersion, input, output }: ModelOptions): ModelReference {
  if (endpoint === undefined) {
    if ((modelVersion ?? input ?? output) !== undefined)
      throw new UsageError('--model-version, --input and --output go with --endpoint');
    return { reference: { $case: 'registered', value: model } };
  }
  const value = { endpoint, name: model, version: modelVersion ?? '', input: input ?? '', output: output ?? '' };
  return { reference: { $case: 'remote', value } };
}

interface ImageOptions {
  readonly image?: readonly string[];
  readonly label?: number[];
  readonly dataset?: string;
  readonly indices?: number[];
  readonly count?: number;
  readonly noise?: number;
  readonly seed: number;
}

async function imagesOf({ image, label, dataset, indices, count, noise, seed }: ImageOptions): Promise<ImageSource> {
  const given = [image, dataset, noise].filter((one) => one !== undefined).length;
  if (given !== 1) throw new UsageError('give exactly one of --image, --dataset and --noise');
  if (dataset !== undefined) {
    const selection = { dataset, split: 'test', indices: indices ?? [], first: 0, count: indices ? 0 : (count ?? 10) };
    return { source: { $case: 'samples', value: selection } };
  }
  if (noise !== undefined) return { source: { $case: 'noise', value: { count: noise, seed } } };
  const loaded = await Promise.all((image ?? []).map(readPng));
  const shape = loaded[0]?.shape ?? [0, 0, 0];
  if (loaded.some((one) => one.shape.join() !== shape.join())) throw new UsageError('all images must be of one size');
  const size = shape[0] * shape[1] * shape[2];
  const pixels = new Float32Array(loaded.length * size);
  for (const [i, one] of loaded.entries()) pixels.set(one.pixels, i * size);
  const tensor = encodeTensor(pixels, [loaded.length, ...shape]);
  return ImageSource.fromPartial({
    source: { $case: 'inline', value: { images: { source: { $case: 'tensor', value: tensor } }, labels: label ?? [] } },
  });
}

function attackOptions(given: Record<string, unknown>): AttackOptions {
  const options = underOurNames(given);
  const { step, relativeStep } = options as { step?: number; relativeStep?: number };
  if (step !== undefined && relativeStep !== undefined)
    throw new UsageError('give --step or --relative-step, not both');
  const { method, norm, epsilon, steps, restarts, seed, queries, targetClasses, momentum } =
    options as Partial<AttackOptions>;
  return AttackOptions.fromPartial({
    ...(method === undefined ? {} : { method }),
    norm,
    epsilon,
    steps,
    restarts,
    queries,
    targetClasses,
    momentum,
    ...(seed === undefined ? {} : { seed }),
    ...chosen(options),
    ...(step === undefined ? {} : { step: { $case: 'absoluteStep', value: step } }),
    ...(relativeStep === undefined ? {} : { step: { $case: 'relativeStep', value: relativeStep } }),
  });
}

/** The numbers of the words given. @throws UsageError for a word that is none of its setting's. */
function chosen(options: Readonly<Record<string, unknown>>): Partial<AttackOptions> {
  const numbers: Record<string, number> = {};
  for (const [key, words] of Object.entries(choices)) {
    const word = options[key];
    if (word === undefined) continue;
    const number = words[String(word)];
    const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (number === undefined) throw new UsageError(`--${flag} must be one of ${Object.keys(words).join(', ')}`);
    numbers[key] = number;
  }
  return numbers;
}

async function report(options: { json: boolean; out?: string }, result: AttackResult): Promise<void> {
  const files = options.out === undefined ? [] : await writeImages(options.out, result);
  print(options, { ...result, images: undefined, files }, () => {
    const rows = result.outcomes.map((one, i) => [
      one.sampleId,
      one.success ? 'yes' : 'no',
      `${one.predictionBefore} (${percent(one.confidenceBefore)})`,
      `${one.predictionAfter} (${percent(one.confidenceAfter)})`,
      one.distances?.linf.toFixed(4) ?? '',
      one.distances?.l2.toFixed(3) ?? '',
      one.stepsUsed,
      one.queriesUsed,
      files[i] ?? '',
    ]);
    const table = formatTable(
      ['sample', 'success', 'before', 'after', 'l_inf', 'l_2', 'steps', 'passes', 'file'],
      rows,
    );
    const { summary, execution, options: used } = result;
    const total = `${summary?.successes} of ${summary?.images} reached the goal in ${execution?.wallSeconds.toFixed(2)} s on ${execution?.engine?.name}`;
    if (used?.precision !== Precision.BFLOAT16) return `${table}\n${total}`;
    return `${table}\n${total}, in bfloat16; float32 did not confirm ${summary?.unconfirmedSuccesses} passes that did so in bfloat16`;
  });
}

async function writeImages(folder: string, { images, outcomes }: AttackResult): Promise<string[]> {
  const { data, shape } = decodeTensor(images, 'images', { dtypes: ['FLOAT32'] });
  const [, height = 0, width = 0, channels = 0] = shape;
  const size = height * width * channels;
  await mkdir(folder, { recursive: true });
  return await Promise.all(
    outcomes.map(async ({ sampleId, goalClass }, i) => {
      const file = path.join(folder, `${String(i).padStart(4, '0')}-sample-${sampleId}-goal-${goalClass}.png`);
      await writePng(file, (data as Float32Array).subarray(i * size, (i + 1) * size), [height, width, channels]);
      return file;
    }),
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
