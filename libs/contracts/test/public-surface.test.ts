import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as contracts from '@percept/contracts';
import {
  AttackOptions,
  AttackService,
  DatasetService,
  EvaluationService,
  fileDescriptors,
  GRPCInferenceServiceService,
  JobsService,
  keyOfStoreUri,
  ModelsService,
  type ServiceShape,
  storeUri,
  TrainingService,
} from '@percept/contracts';
import { describe, expect, it } from 'vitest';
import { idempotentCalls } from '../src/idempotent-calls.js';

const generated = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../src/gen');

describe('the public surface', () => {
  it.each(['percept/v1', 'inference', 'grpc/health/v1'])(
    'exports every message, enum and service of %s',
    async (folder) => {
      const bookkeeping = /^protobuf(Package|FileName)$|Entry$/;
      for (const file of readdirSync(path.join(generated, folder))) {
        const module = (await import(pathToFileURL(path.join(generated, folder, file)).href)) as Record<
          string,
          unknown
        >;
        const names = Object.keys(module).filter((name) => !bookkeeping.test(name) && !/(From|To)JSON$/.test(name));
        for (const name of names) expect(contracts, file).toHaveProperty(name);
      }
    },
  );

  it('names in its retry table only calls that exist, and leaves out what must not happen twice', () => {
    const services: ServiceShape[] = [
      DatasetService,
      TrainingService,
      ModelsService,
      AttackService,
      EvaluationService,
      JobsService,
      GRPCInferenceServiceService,
    ];
    const paths = services.flatMap((service) => Object.values(service).map((method) => method.path));
    const retried = Object.entries(idempotentCalls).flatMap(([service, calls]) =>
      calls.map((call) => `/${service}/${call}`),
    );
    const others = paths.filter((one) => !retried.includes(one));
    expect(retried.filter((one) => !paths.includes(one))).toEqual([]);
    expect(others.sort()).toEqual([
      '/percept.v1.Dataset/Import',
      '/percept.v1.Jobs/RequeueDeadLetter',
      '/percept.v1.Models/Import',
    ]);
  });

  it('has the descriptors of every proto file, each under its own name', () => {
    const files = fileDescriptors().map((file) => file.toString('latin1'));
    for (const name of ['attack', 'dataset', 'evaluation', 'jobs', 'models', 'training']) {
      expect(files.filter((file) => file.slice(2).startsWith(`percept/v1/${name}.proto`))).toHaveLength(1);
    }
  });
});

describe('the JSON form', () => {
  it('keeps Infinity, which plain JSON has no word for', () => {
    const options = AttackOptions.fromPartial({ norm: Number.POSITIVE_INFINITY, epsilon: 0.2 });
    const text = JSON.stringify(AttackOptions.toJSON(options));
    expect(AttackOptions.fromJSON(JSON.parse(text)).norm).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('store addresses', () => {
  it('give back the key', () => {
    expect(keyOfStoreUri(storeUri('reports/r1/figures/figure-4-1.svg'))).toBe('reports/r1/figures/figure-4-1.svg');
  });

  it.each(['file:///etc/passwd', 'store:../secret', 'store:a//b', 'store:/a', 'store:a/./b', 'store:', 'a/b'])(
    'refuse %s',
    (uri) => {
      expect(keyOfStoreUri(uri)).toBeUndefined();
    },
  );
});
