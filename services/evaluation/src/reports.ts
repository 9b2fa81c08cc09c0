import {
  type Artifact,
  type ComparedMetric,
  type ComparedValue,
  type EvaluationCompareReportsResponse,
  type EvaluationGetReportResponse,
  type PairedTest,
  rpcError,
  sha256Hex,
  storeUri,
} from '@percept/contracts';
import type { JobContext } from '@percept/jobs';
import { comparePaired, type WitnessLedger } from '@percept/measures';
import { findObject, type Store } from '@percept/store';
import { decodeLedger } from './measured-models.js';

/** A file of a report. */
export interface ReportFile {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Reports in the store: `reports/<id>/<file>` and a manifest that is written last, so that a report is there whole or not at all. */
export class Reports {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Stores the files of a job's report, then the manifest; answers with the artefacts. @throws JobLostError. */
  async save({ job: { id }, put }: JobContext, files: readonly ReportFile[]): Promise<Artifact[]> {
    const artifacts: Artifact[] = [];
    for (const { name, mediaType, bytes } of files) {
      const key = `reports/${id}/files/${name}`;
      await put(key, bytes);
      artifacts.push({ name, uri: storeUri(key), sha256: sha256Hex(bytes), sizeBytes: bytes.byteLength, mediaType });
    }
    await put(`reports/${id}/manifest.json`, new TextEncoder().encode(JSON.stringify(artifacts)));
    return artifacts;
  }

  /** A report with its files' names. @throws PerceptRpcError NOT_FOUND. */
  async get(id: string): Promise<EvaluationGetReportResponse> {
    const artifacts = await this.#manifest(id);
    const report = await this.#file(id, 'report.json', artifacts);
    const run = await this.#file(id, 'run.json', artifacts);
    return { reportId: id, reportJson: report, sha256: sha256Hex(report), runJson: run, artifacts };
  }

  /** One file of a report. @throws PerceptRpcError NOT_FOUND, DATA_LOSS when its bytes changed. */
  async artifact(id: string, name: string): Promise<Uint8Array> {
    return await this.#file(id, name, await this.#manifest(id));
  }

  /** Sets the numbers of several reports side by side, and compares models of one name sample by sample. @throws PerceptRpcError NOT_FOUND. */
  async compare(ids: readonly string[]): Promise<EvaluationCompareReportsResponse> {
    const texts = await Promise.all(ids.map(async (id) => (await this.get(id)).reportJson));
    const reports = texts.map((bytes) => flatten(JSON.parse(new TextDecoder().decode(bytes))));
    const metrics: ComparedMetric[] = [];
    const differing: string[] = [];
    for (const path of [...new Set(reports.flatMap((report) => [...report.keys()]))].sort()) {
      const values = reports.map((report) => report.get(path));
      const [, model, metric] = /^models\.([^.]+)\.(.+)$/.exec(path) ?? [];
      const held = values.filter((value) => value !== undefined);
      if (model !== undefined && metric !== undefined && held.every((value) => typeof value === 'number'))
        metrics.push({ model, metric, values: values.map((value) => comparedValue(value, values[0])) });
      else if (values.some((value) => value !== values[0])) differing.push(path);
    }
    return {
      metrics,
      differingSettings: differing,
      identical: texts.every((bytes) => Buffer.compare(bytes, texts[0] as Uint8Array) === 0),
      pairedTests: await this.#pairedTests(ids),
    };
  }

  async #pairedTests(ids: readonly string[]): Promise<PairedTest[]> {
    const ledgers = await Promise.all(ids.map((id) => this.#ledgers(id)));
    const [baseline = new Map<string, WitnessLedger>()] = ledgers;
    return ledgers.slice(1).flatMap((others, i) =>
      [...baseline].flatMap(([model, first]) => {
        const other = others.get(model);
        if (other === undefined || !sameSubject(first, other)) return [];
        return comparePaired(first, other).map(({ epsilon, samples, onlyFirst, onlySecond, difference, pValue }) => ({
          model,
          report: i + 1,
          epsilon,
          samples,
          onlyFirst,
          onlyOther: onlySecond,
          difference: -difference,
          pValue,
        }));
      }),
    );
  }

  /** The witness ledgers of a report by the names of its models. */
  async #ledgers(id: string): Promise<Map<string, WitnessLedger>> {
    const artifacts = await this.#manifest(id);
    const report = JSON.parse(new TextDecoder().decode(await this.#file(id, 'report.json', artifacts))) as {
      readonly models: readonly { readonly name: string }[];
    };
    const ledgers = new Map<string, WitnessLedger>();
    for (const { name } of report.models) {
      const file = witnessFile(name);
      if (artifacts.some((artifact) => artifact.name === file))
        ledgers.set(name, decodeLedger(await this.#file(id, file, artifacts)));
    }
    return ledgers;
  }

  async #manifest(id: string): Promise<Artifact[]> {
    const found = /^[A-Za-z0-9_-]{1,128}$/.test(id)
      ? await findObject(this.#store, `reports/${id}/manifest.json`)
      : undefined;
    if (found === undefined) throw rpcError('NOT_FOUND', `there is no report ${id}`);
    return JSON.parse(new TextDecoder().decode(found.bytes)) as Artifact[];
  }

  async #file(id: string, name: string, artifacts: readonly Artifact[]): Promise<Uint8Array> {
    const artifact = artifacts.find((candidate) => candidate.name === name);
    if (artifact === undefined) throw rpcError('NOT_FOUND', `report ${id} has no file ${name}`);
    const { bytes } = await this.#store.get(`reports/${id}/files/${name}`);
    if (sha256Hex(bytes) !== artifact.sha256) throw rpcError('DATA_LOSS', `file ${name} of report ${id} is corrupt`);
    return bytes;
  }
}

/** The file of a report that holds a model's witnesses. */
export function witnessFile(model: string): string {
  return `witnesses-${model.replace(/[^A-Za-z0-9_-]/g, '-')}.safetensors`;
}

function comparedValue(value: unknown, first: unknown): ComparedValue {
  if (typeof value !== 'number') return {};
  return typeof first === 'number' ? { value, difference: value - first } : { value };
}

/** Whether two ledgers are of the same samples, norm and grid, so that they can be compared sample by sample. */
function sameSubject(first: WitnessLedger, other: WitnessLedger): boolean {
  const subject = ({ norm, grid, entries }: WitnessLedger): string =>
    JSON.stringify([String(norm), grid, entries.map(({ id, label }) => [id, label])]);
  return subject(first) === subject(other);
}

/** Every leaf of a report by its path; models are keyed by their names. */
function flatten(value: unknown, path = '', into = new Map<string, unknown>()): Map<string, unknown> {
  if (typeof value !== 'object' || value === null) {
    into.set(path, value);
    return into;
  }
  for (const [key, child] of Object.entries(value)) {
    const name =
      Array.isArray(value) && typeof (child as { name?: unknown })?.name === 'string'
        ? (child as { name: string }).name
        : key;
    flatten(child, path === '' ? name : `${path}.${name}`, into);
  }
  return into;
}
