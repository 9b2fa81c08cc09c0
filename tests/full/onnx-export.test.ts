import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type ModelSpec, PreActResNet, parameterLayout, torchShape, writeOnnx } from '@percept/models';
import { selectEngine, uniformArray } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { pythonProgram } from './support/parts.js';

const python = pythonProgram();
const script = fileURLToPath(new URL('support/run_onnx.py', import.meta.url));

const specs: readonly (readonly [string, ModelSpec])[] = (
  [
    ['the paper’s shape', 8, [2, 2, 2, 2]],
    ['another shape', 3, [1, 3, 1, 2]],
  ] as const
).map(([name, width, blocks]) => [
  name,
  {
    architecture: 'preact-resnet',
    width,
    blocks,
    classes: 10,
    height: 32,
    widthPixels: 32,
    channels: 3,
    mean: [0.49, 0.48, 0.45],
    std: [0.25, 0.24, 0.26],
  },
]);

describe('an exported ONNX model', () => {
  it.skipIf(!python).each(specs)('has in onnxruntime the logits of the network itself (%s)', async (_, spec) => {
    const tensors = Object.fromEntries(
      parameterLayout(spec).map((entry, sample) => {
        const shape = torchShape(entry);
        const size = shape.reduce((product, side) => product * side, 1);
        const bound = entry.fanIn > 0 ? Math.sqrt(3 / entry.fanIn) : 0.5;
        const lower = entry.kind === 'running-variance' ? 0.2 : -bound;
        const data = uniformArray({ seed: 3, purpose: 'weights', sample }, size, lower, bound);
        return [entry.name, { dtype: 'F32' as const, shape, data }];
      }),
    );
    const images = uniformArray({ seed: 4, purpose: 'images' }, 4 * 32 * 32 * 3, 0, 1);
    const folder = await mkdtemp(path.join(tmpdir(), 'percept-onnx-'));
    try {
      const [model, file] = [path.join(folder, 'model.onnx'), path.join(folder, 'images.f32')];
      await writeFile(model, writeOnnx(spec, tensors));
      await writeFile(file, new Uint8Array(images.buffer));
      const { stdout } = await promisify(execFile)(python as string, [script, model, file]);
      const found = (JSON.parse(stdout) as number[][]).flat();
      await selectEngine({ engine: 'cpu' });
      const own = PreActResNet.fromTensors(spec, tensors);
      const expected = tf.tidy(() => own.logits(tf.tensor4d(images, [4, 32, 32, 3])).dataSync());
      own.dispose();
      const largest = Math.max(...expected.map(Math.abs));
      expect(largest).toBeGreaterThan(0.1);
      expect(found).toHaveLength(40);
      for (const [i, value] of found.entries())
        expect(Math.abs(value - (expected[i] as number))).toBeLessThan(1e-4 * largest);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
