import { modelScorer, resolveSearchOptions, searchAttack } from '@percept/attacks';
import { AttackOptions, AttackUntargetedRequest, LabelSource } from '@percept/contracts';
import type { Classifier } from '@percept/models';
import { selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { perceptClient } from '../../tools/cli/src/percept-client.js';
import { startLinearServer } from './support/mlserver/linear-server.js';
import { mlserverProgram } from './support/parts.js';
import { startServices } from './support/services.js';

const program = mlserverProgram();
const size = 32 * 32 * 3;

/** Row-major, in [-0.05, 0.05]. */
const weights = Float32Array.from({ length: size * 10 }, (_, i) => ((i * 7_919) % 101) - 50).map(
  (value) => value / 1024,
);

/** What MLServer serves, in this process: logits = (pixels - 0.5) W. */
const linear: Classifier = {
  classes: 10,
  inputShape: [32, 32, 3],
  logits: (images) =>
    tf.matMul(
      tf.sub(tf.reshape(images, [images.shape[0], size]), 0.5) as tf.Tensor2D,
      tf.tensor2d(weights, [size, 10]),
    ),
};

it.skipIf(!program)('attacks a model behind MLServer by its scores as the same model in this process', async () => {
  await selectEngine({ engine: 'cpu' });
  const server = await startLinearServer(program as string, weights);
  const services = await startServices('embedded');
  const client = perceptClient(services.endpoints);
  try {
    const selection = { dataset: 'mnist-5k', split: 'test', indices: [], first: 0, count: 8 };
    const { images } = await client.dataset.getSamples({ selection });
    const originals = new Float32Array(Uint8Array.from(images?.data ?? []).buffer);
    const scores = modelScorer(linear);
    const logits = await scores.scores(originals, 8);
    const labels = Int32Array.from({ length: 8 }, (_, row) => {
      const own = Array.from(logits.subarray(row * 10, row * 10 + 10));
      return own.indexOf(Math.max(...own));
    });
    const options = { epsilon: 0.05, queries: 40, seed: 3 };
    const goal = { kind: 'untargeted', labels } as const;
    const local = await searchAttack(
      { kind: 'scores', scorer: scores },
      'square',
      originals,
      goal,
      Int32Array.from(labels.keys()),
      resolveSearchOptions(options),
    );
    const { result } = await client.attack.untargeted(
      AttackUntargetedRequest.fromPartial({
        model: { reference: { $case: 'remote', value: { endpoint: server.endpoint, name: 'linear' } } },
        images: { source: { $case: 'samples', value: selection } },
        options: AttackOptions.fromPartial({ method: 'square', ...options }),
        labelsFrom: LabelSource.PREDICTIONS,
      }),
    );
    const outcomes = result?.outcomes ?? [];
    expect(outcomes.map(({ success }) => Number(success))).toEqual([...local.success]);
    expect(new Set(local.success)).toEqual(new Set([0, 1]));
    expect(outcomes.map(({ queriesUsed }) => queriesUsed)).toEqual([...local.queries]);
    const attacked = new Float32Array(Uint8Array.from(result?.images?.data ?? []).buffer);
    expect(attacked).toEqual(local.images);
  } finally {
    client.close();
    await services.close();
    await server.close();
  }
});
