import type { HostTensor } from '@percept/tensor';
import type { ModelSpec } from '../model-spec.js';
import { isStatistic, parameterLayout } from '../parameter-layout.js';
import { batchNormEpsilon } from '../preact-resnet.js';
import { type GraphNode, graphInput, graphOutput, networkGraph } from './network-graph.js';
import { type OnnxField, onnxMessage, onnxNode, onnxTensor, onnxValue } from './onnx-messages.js';
import { weightValues } from './weight-values.js';

const irVersion = 8;
const operatorSet = 17;

/**
 * Writes a network as an ONNX model: input `images` [batch, height, width, channels], float32 in [0, 1]; output `logits` [batch, classes].
 * Normalisation is inside. `tensors` are the weights in PyTorch's names and layouts.
 *
 * @throws WeightsMismatchError when a tensor is missing or of another shape.
 */
export function writeOnnx(spec: ModelSpec, tensors: Readonly<Record<string, HostTensor>>): Uint8Array {
  const { height, widthPixels, channels, classes, mean, std } = spec;
  const entries = parameterLayout(spec);
  const initializers = entries.map((entry) => {
    const { shape, values } = weightValues(entry, tensors);
    return onnxTensor(entry.name, shape, values);
  });
  initializers.push(
    onnxTensor('pixel_mean', [channels, 1, 1], Float32Array.from(mean)),
    onnxTensor('pixel_std', [channels, 1, 1], Float32Array.from(std)),
  );
  const nodes = networkGraph(spec).flatMap(onnxNodes);
  const message = (number: number, value: Uint8Array): OnnxField => [number, 'message', value];
  const graph = onnxMessage([
    ...nodes.map((node) => message(1, node)),
    [2, 'text', 'preact_resnet'],
    ...initializers.map((tensor) => message(5, tensor)),
    message(11, onnxValue(graphInput, ['batch', height, widthPixels, channels])),
    message(12, onnxValue(graphOutput, ['batch', classes])),
  ]);
  const parameters = entries.filter((entry) => !isStatistic(entry)).length;
  return onnxMessage([
    [1, 'integer', irVersion],
    [2, 'text', 'percept'],
    [6, 'text', `PreActResNet of width ${spec.width}, blocks ${spec.blocks.join(', ')}; ${parameters} weight tensors`],
    message(7, graph),
    message(8, onnxMessage([[2, 'integer', operatorSet]])),
  ]);
}

function onnxNodes(node: GraphNode): Uint8Array[] {
  const { name, inputs } = node;
  switch (node.op) {
    case 'normalise-pixels':
      return [
        onnxNode('Transpose', inputs, `${name}.nchw`, { perm: [0, 3, 1, 2] }),
        onnxNode('Sub', [`${name}.nchw`, 'pixel_mean'], `${name}.centred`),
        onnxNode('Div', [`${name}.centred`, 'pixel_std'], name),
      ];
    case 'convolution': {
      const { stride, padding } = node;
      const attributes = { strides: [stride, stride], pads: [padding, padding, padding, padding] };
      return [onnxNode('Conv', [...inputs, `${name}.weight`], name, attributes)];
    }
    case 'batch-norm': {
      const weights = ['weight', 'bias', 'running_mean', 'running_var'].map((suffix) => `${name}.${suffix}`);
      return [onnxNode('BatchNormalization', [...inputs, ...weights], name, { epsilon: { float: batchNormEpsilon } })];
    }
    case 'relu':
      return [onnxNode('Relu', inputs, name)];
    case 'add':
      return [onnxNode('Add', inputs, name)];
    case 'mean-pool':
      return [onnxNode('GlobalAveragePool', inputs, `${name}.pooled`), onnxNode('Flatten', [`${name}.pooled`], name)];
    case 'linear':
      return [onnxNode('Gemm', [...inputs, `${name}.weight`, `${name}.bias`], graphOutput, { transB: 1 })];
  }
}
