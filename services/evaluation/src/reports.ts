import {
  type Artifact,
  type ComparedMetric,
  type EvaluationCompareReportsResponse,
  type EvaluationGetReportResponse,
  rpcError,
  sha256Hex,
  storeUri,
} from '@percept/contracts';
import { findObject, type Store } from '@percept/store';

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

  /** Stores a report's files, then its manifest; answers with the artefacts. */
  async save(id: string, files: readonly ReportFile[]): Promise<Artifact[]> {
    const artifacts: Artifact[] = [];
    for (const { name, mediaType, bytes } of files) {
      const key = `reports/${id}/files/${name}`;
      await this.#store.put(key, bytes);
      artifacts.push({ name, uri: storeUri(key), sha256: sha256Hex(bytes), sizeBytes: bytes.byteLength, mediaType });
    }
    await this.#store.put(`reports/${id}/manifest.json`, new TextEncoder().encode(JSON.stringify(artifacts)));
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

  /** Sets the numbers of several reports side by side. */
  async compare(ids: readonly string[]): Promise<EvaluationCompareReportsResponse> {
    const reports = await Promise.all(
      ids.map(async (id) => flatten(JSON.parse(new TextDecoder().decode((await this.get(id)).reportJson)))),
    );
    const paths = [...new Set(reports.flatMap((report) => [...report.keys()]))].sort();
    const metrics: ComparedMetric[] = [];
    const differing: string[] = [];
    for (const path of paths) {
      const values = reports.map((report) => report.get(path));
      const same = values.every((value) => value === values[0]);
      const [, model, metric] = /^models\.([^.]+)\.(.+)$/.exec(path) ?? [];
      if (model !== undefined && metric !== undefined && values.every((value) => typeof value === 'number')) {
        const first = values[0] as number;
        metrics.push({
          model,
          metric,
          values: values.map((value) => ({ value: value as number, difference: (value as number) - first })),
        });
      } else if (!same) {
        differing.push(path);
      }
    }
    const identical = reports.every(
      (report) => [...report].join() === [...(reports[0] as Map<string, unknown>)].join(),
    );
    return { metrics, differingSettings: differing, identical };
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
