import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  ledgerFromTensors,
  robustAccuracyCurve,
  type Samples,
  verifyWitnesses,
  type WitnessLedger,
} from '@percept/measures';
import { type ModelSpec, PreActResNet } from '@percept/models';
import { readSafetensors } from '@percept/tensor';
import { UsageError } from './exit-code.js';

/** What verification reads of report.json. */
interface StoredReport {
  readonly dataset: {
    readonly name: string;
    readonly split: string;
    readonly digest: string;
    readonly classNames: readonly string[];
    readonly height: number;
    readonly width: number;
    readonly channels: number;
  };
  readonly models: readonly StoredModel[];
}

/** One model of report.json. */
export interface StoredModel {
  readonly name: string;
  /** SHA-256 of the weights. */
  readonly digest: string;
  readonly spec: Pick<ModelSpec, 'architecture' | 'width' | 'blocks' | 'mean' | 'std'>;
  readonly profile: {
    readonly witnessesSha256: string;
    readonly curve: readonly { readonly epsilon: number; readonly robust: number }[];
  };
}

/** Where verification gets what the report only names: never from the report itself. */
export interface VerificationSources {
  /** SHA-256 of the data set's split. */
  splitDigest(dataset: string, split: string): Promise<string>;
  samples(dataset: string, split: string, ids: Int32Array): Promise<Samples>;
  /** The weights of a model as safetensors. */
  weights(model: StoredModel): Promise<Uint8Array>;
}

/** What was found of one model's witnesses. */
export interface VerifiedModel {
  readonly name: string;
  readonly witnesses: number;
  readonly checked: number;
  /** Everything that does not hold, one sentence each; none where the report is true. */
  readonly failures: readonly string[];
}

/** How a report is verified. */
export interface VerificationOptions {
  /** Check every so many witnesses only, at least 1. */
  readonly every: number;
  /** Names of the models to check; default all of the report. */
  readonly models?: readonly string[];
  readonly signal: AbortSignal;
  onProgress(model: string, done: number, total: number): void;
}

const batch = 32;

/**
 * Re-checks a report from its files: each model's weights and witness ledger by their digests, the curve against the ledger, and every witness by a
 * forward pass of its own on the engine selected in this thread: in the box, within its budget of the data set's own image, misclassified with the witness margin.
 *
 * @throws UsageError where `folder` holds no report or it lacks a model asked for; what is wrong in a report is an answer, not an error.
 */
export async function verifyReport(
  folder: string,
  sources: VerificationSources,
  options: VerificationOptions,
): Promise<VerifiedModel[]> {
  const report = await readReport(folder);
  const { name, split, digest } = report.dataset;
  const found = await sources.splitDigest(name, split);
  const general = found === digest ? [] : [`the ${split} split of ${name} is another one: ${found}, not ${digest}`];
  const verified: VerifiedModel[] = [];
  for (const model of chosenModels(report, options.models))
    verified.push(await verifyModel(folder, report, model, general, sources, options));
  return verified;
}

function chosenModels({ models }: StoredReport, names: readonly string[] | undefined): readonly StoredModel[] {
  if (names === undefined) return models;
  return names.map((name) => {
    const found = models.find((model) => model.name === name);
    if (found !== undefined) return found;
    throw new UsageError(`the report has no model ${name}; it has ${models.map((model) => model.name).join(', ')}`);
  });
}

async function readReport(folder: string): Promise<StoredReport> {
  const text = await readFile(path.join(folder, 'report.json'), 'utf8').catch((error: unknown) => {
    throw new UsageError(`${folder} holds no report.json: ${error instanceof Error ? error.message : String(error)}`);
  });
  const report = JSON.parse(text) as Partial<StoredReport>;
  if (report.dataset === undefined || !Array.isArray(report.models))
    throw new UsageError(`${path.join(folder, 'report.json')} is no report of percept`);
  return report as StoredReport;
}

async function verifyModel(
  folder: string,
  { dataset }: StoredReport,
  stored: StoredModel,
  general: readonly string[],
  sources: VerificationSources,
  options: VerificationOptions,
): Promise<VerifiedModel> {
  const { name, profile } = stored;
  const failures = [...general];
  const weights = await sources.weights(stored);
  const digest = sha256(weights);
  if (digest !== stored.digest) failures.push(`its weights are others: ${digest}, not ${stored.digest}`);
  let ledger: WitnessLedger;
  let model: PreActResNet;
  try {
    const bytes = await readFile(path.join(folder, witnessFile(name)));
    const found = sha256(bytes);
    if (found !== profile.witnessesSha256)
      failures.push(`its witness ledger was changed: ${found}, not ${profile.witnessesSha256}`);
    ledger = ledgerFromTensors(readSafetensors(bytes));
    model = PreActResNet.fromTensors(specOf(stored, dataset), readSafetensors(weights).tensors);
  } catch (error) {
    return {
      name,
      witnesses: 0,
      checked: 0,
      failures: [...failures, error instanceof Error ? error.message : String(error)],
    };
  }
  try {
    failures.push(...curveFailures(ledger, stored));
    const all = ledger.entries.filter(({ witness }) => witness !== undefined);
    const chosen = all.filter((_, i) => i % options.every === 0);
    for (let first = 0; first < chosen.length; first += batch) {
      options.signal.throwIfAborted();
      options.onProgress(name, first, chosen.length);
      const entries = chosen.slice(first, first + batch);
      const ids = Int32Array.from(entries, ({ id }) => id);
      const samples = await sources.samples(dataset.name, dataset.split, ids);
      const { refuted } = verifyWitnesses(model, samples, { ...ledger, entries }, batch);
      failures.push(...refuted.map(({ id, reason }) => `witness of sample ${id}: ${reason}`));
    }
    options.onProgress(name, chosen.length, chosen.length);
    return { name, witnesses: all.length, checked: chosen.length, failures };
  } finally {
    model.dispose();
  }
}

/** The name under which a report keeps a model's ledger. */
export function witnessFile(model: string): string {
  return `witnesses-${fileNameOf(model)}.safetensors`;
}

/** The name under which a report's folder may carry a model's weights, for those who have no registry with them. */
export function weightsFile(model: string): string {
  return `weights-${fileNameOf(model)}.safetensors`;
}

function fileNameOf(model: string): string {
  return model.replace(/[^A-Za-z0-9_-]/g, '-');
}

function curveFailures(ledger: WitnessLedger, { profile }: StoredModel): string[] {
  const curve = robustAccuracyCurve(ledger);
  const same =
    curve.length === profile.curve.length &&
    curve.every(({ epsilon, robust }, i) => {
      const told = profile.curve[i];
      return told?.epsilon === epsilon && told.robust === robust;
    });
  return same ? [] : ['its curve is not the one that its ledger gives'];
}

function specOf({ spec }: StoredModel, dataset: StoredReport['dataset']): ModelSpec {
  return {
    architecture: spec.architecture,
    width: spec.width,
    blocks: spec.blocks,
    mean: spec.mean,
    std: spec.std,
    classes: dataset.classNames.length,
    height: dataset.height,
    widthPixels: dataset.width,
    channels: dataset.channels,
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
