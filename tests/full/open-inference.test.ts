import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ModelFormat } from '@percept/contracts';
import { modelSpecOf } from '@percept/messages';
import { PreActResNet } from '@percept/models';
import { readSafetensors, selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type PerceptClient, perceptClient } from '../../tools/cli/src/percept-client.js';
import { pythonProgram } from './support/parts.js';
import { type Form, startServices } from './support/services.js';
import { smallTraining, train } from './support/small-jobs.js';

const python = pythonProgram();
const script = fileURLToPath(new URL('support/open_inference_client.py', import.meta.url));

/** What the Python client prints. */
interface Printed {
  readonly logits: readonly (readonly number[])[];
  readonly fromBytes: readonly (readonly number[])[];
  readonly typed: readonly number[];
  readonly probabilitySums: readonly number[];
  readonly [name: string]: unknown;
}

/** Logits by the portable engine in this process, from exported weights. */
async function ownLogits(client: PerceptClient, images: Float32Array): Promise<number[][]> {
  const { model } = await client.models.get({ model: 'small' });
  const parts: Uint8Array[] = [];
  for await (const { chunk } of client.models.export({ model: 'small', format: ModelFormat.SAFETENSORS }))
    if (chunk) parts.push(chunk.data);
  await selectEngine({ engine: 'cpu' });
  const own = PreActResNet.fromTensors(modelSpecOf(model?.spec), readSafetensors(Buffer.concat(parts)).tensors);
  try {
    return tf.tidy(() => own.logits(tf.tensor4d(images, [images.length / 3072, 32, 32, 3])).arraySync());
  } finally {
    own.dispose();
  }
}

describe.each<Form>(['embedded', 'distributed'])('the Open Inference server in %s form', (form) => {
  it.skipIf(!python)('answers tritonclient as the model itself does', async () => {
    const services = await startServices(form);
    const client = perceptClient(services.endpoints);
    const folder = await mkdtemp(path.join(tmpdir(), 'percept-inference-'));
    try {
      await train(client, smallTraining({ recipe: 'standard', epochs: 1, trainLimit: 200 }));
      const selection = { dataset: 'mnist-5k', split: 'test', indices: [], first: 0, count: 3 };
      const { images } = await client.dataset.getSamples({ selection });
      const bytes = Uint8Array.from(images?.data ?? []);
      const file = path.join(folder, 'images.f32');
      await writeFile(file, bytes);
      const { stdout } = await promisify(execFile)(python as string, [script, services.inference, 'small', file]);
      const printed = JSON.parse(stdout) as Printed;
      expect(printed).toMatchObject({
        live: true,
        ready: true,
        modelReady: true,
        unknownReady: false,
        inputs: [['images', 'FP32', [-1, 32, 32, 3]]],
        outputs: [
          ['logits', 'FP32', [-1, 10]],
          ['probabilities', 'FP32', [-1, 10]],
        ],
        versions: ['1'],
        id: 'seven',
      });
      const own = (await ownLogits(client, new Float32Array(bytes.buffer))).flat();
      const largest = Math.max(...own.map(Math.abs));
      for (const answer of [printed.logits.flat(), printed.typed]) {
        expect(answer).toHaveLength(30);
        for (const [i, value] of answer.entries())
          expect(Math.abs(value - (own[i] as number))).toBeLessThan(1e-4 * largest);
      }
      expect(printed.fromBytes).toEqual(printed.logits);
      for (const sum of printed.probabilitySums) expect(sum).toBeCloseTo(1, 5);
      expect(printed['refusal']).toMatchObject({ status: 'StatusCode.INVALID_ARGUMENT' });
    } finally {
      client.close();
      await services.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
