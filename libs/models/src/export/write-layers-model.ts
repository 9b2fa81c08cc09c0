import type { HostTensor } from '@percept/tensor';
import type { ModelSpec } from '../model-spec.js';
import { type ParameterEntry, parameterLayout } from '../parameter-layout.js';
import { batchNormEpsilon } from '../preact-resnet.js';
import { fromTorchLayout } from '../torch-layout.js';
import { type GraphNode, graphInput, graphOutput, networkGraph } from './network-graph.js';
import { weightValues } from './weight-values.js';

/** The files of a TensorFlow.js layers model, as `tf.loadLayersModel` takes them. */
export interface LayersModelFiles {
  readonly 'model.json': Uint8Array;
  readonly 'weights.bin': Uint8Array;
}

interface Layer {
  readonly className: string;
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
}

/**
 * Writes a network as a TensorFlow.js layers model: input [batch, height, width, channels], float32 in [0, 1]; output: logits [batch, classes].
 * Normalisation is inside. `tensors` are the weights in PyTorch's names and layouts.
 *
 * @throws WeightsMismatchError when a tensor is missing or of another shape.
 */
export function writeLayersModel(spec: ModelSpec, tensors: Readonly<Record<string, HostTensor>>): LayersModelFiles {
  const weights = layerWeights(spec, tensors);
  const layers = [inputLayer(spec), ...networkGraph(spec).flatMap((node) => layersOf(node, spec))];
  const topology = {
    class_name: 'Model',
    config: {
      name: 'preact_resnet',
      layers: layers.map(({ className, name, config, inputs }) => ({
        class_name: className,
        name: layerName(name),
        config: { name: layerName(name), trainable: false, ...config },
        inbound_nodes: inputs.length === 0 ? [] : [inputs.map((input) => [layerName(input), 0, 0, {}])],
      })),
      input_layers: [[graphInput, 0, 0]],
      output_layers: [[graphOutput, 0, 0]],
    },
    keras_version: '2.15.0',
    backend: 'tensorflow',
  };
  const model = {
    format: 'layers-model',
    generatedBy: 'percept',
    convertedBy: null,
    modelTopology: topology,
    weightsManifest: [
      { paths: ['weights.bin'], weights: weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })) },
    ],
  };
  const data = weights.map(({ values }) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return {
    'model.json': new TextEncoder().encode(JSON.stringify(model)),
    'weights.bin': new Uint8Array(Buffer.concat(data)),
  };
}

/** Names of layers may hold neither dots nor slashes. */
function layerName(name: string): string {
  return name.replaceAll('.', '_');
}

function inputLayer({ height, widthPixels, channels }: ModelSpec): Layer {
  const config = { batch_input_shape: [null, height, widthPixels, channels], dtype: 'float32', sparse: false };
  return { className: 'InputLayer', name: graphInput, config, inputs: [] };
}

function layersOf(node: GraphNode, { width, blocks, classes }: ModelSpec): Layer[] {
  const { name, inputs } = node;
  const normalisation = { axis: -1, momentum: 0.99, scale: true, center: true };
  switch (node.op) {
    case 'normalise-pixels': {
      const config = { ...normalisation, epsilon: 0, scale: false, center: false };
      return [{ className: 'BatchNormalization', name, config, inputs }];
    }
    case 'convolution': {
      const { stride, padding } = node;
      const config = {
        filters: filtersOf(name, width, blocks.length),
        kernel_size: padding === 0 ? [1, 1] : [3, 3],
        strides: [stride, stride],
        padding: 'valid',
        data_format: 'channels_last',
        dilation_rate: [1, 1],
        activation: 'linear',
        use_bias: false,
      };
      if (padding === 0) return [{ className: 'Conv2D', name, config, inputs }];
      const sides = [
        [padding, padding],
        [padding, padding],
      ];
      return [
        {
          className: 'ZeroPadding2D',
          name: `${name}.padding`,
          config: { padding: sides, data_format: 'channels_last' },
          inputs,
        },
        { className: 'Conv2D', name, config, inputs: [`${name}.padding`] },
      ];
    }
    case 'batch-norm':
      return [
        { className: 'BatchNormalization', name, config: { ...normalisation, epsilon: batchNormEpsilon }, inputs },
      ];
    case 'relu':
      return [{ className: 'Activation', name, config: { activation: 'relu' }, inputs }];
    case 'add':
      return [{ className: 'Add', name, config: {}, inputs }];
    case 'mean-pool':
      return [{ className: 'GlobalAveragePooling2D', name, config: { data_format: 'channels_last' }, inputs }];
    case 'linear':
      return [
        {
          className: 'Dense',
          name: graphOutput,
          config: { units: classes, activation: 'linear', use_bias: true },
          inputs,
        },
      ];
  }
}

function filtersOf(name: string, width: number, stages: number): number {
  const stage = Number(/^layer(\d+)\./.exec(name)?.[1] ?? 1);
  return width * 2 ** (Math.min(stage, stages) - 1);
}

interface LayerWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const weightNames: Record<ParameterEntry['kind'], string> = {
  convolution: 'kernel',
  linear: 'kernel',
  bias: 'bias',
  scale: 'gamma',
  shift: 'beta',
  'running-mean': 'moving_mean',
  'running-variance': 'moving_variance',
};

function layerWeights(spec: ModelSpec, tensors: Readonly<Record<string, HostTensor>>): LayerWeight[] {
  const pixels = (name: string, values: readonly number[]): LayerWeight => ({
    name: `pixels/${name}`,
    shape: [values.length],
    values: Float32Array.from(values),
  });
  const learned = parameterLayout(spec).map((entry): LayerWeight => {
    const layer = entry.name.slice(0, entry.name.lastIndexOf('.'));
    const name = `${layer === 'linear' ? graphOutput : layerName(layer)}/${weightNames[entry.kind]}`;
    return { name, shape: entry.shape, values: fromTorchLayout(entry, weightValues(entry, tensors).values) };
  });
  return [
    pixels('moving_mean', spec.mean),
    pixels(
      'moving_variance',
      spec.std.map((std) => std ** 2),
    ),
    ...learned,
  ];
}
