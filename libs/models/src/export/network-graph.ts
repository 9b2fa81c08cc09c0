import type { ModelSpec } from '../model-spec.js';
import { blockLayouts } from '../parameter-layout.js';

/** One operation of a network; `inputs` and `name` name the values that flow between operations. */
export type GraphNode =
  | { readonly op: 'normalise-pixels'; readonly name: string; readonly inputs: readonly [string] }
  | {
      readonly op: 'convolution';
      readonly name: string;
      readonly inputs: readonly [string];
      readonly stride: number;
      /** Zero pixels on every side. */
      readonly padding: number;
    }
  | {
      readonly op: 'batch-norm' | 'relu' | 'mean-pool' | 'linear';
      readonly name: string;
      readonly inputs: readonly [string];
    }
  | { readonly op: 'add'; readonly name: string; readonly inputs: readonly [string, string] };

/** Name of the network's input, NHWC images in [0, 1], and of its output, the logits. */
export const graphInput = 'images';
export const graphOutput = 'logits';

/**
 * The operations of a network in inference mode, in an order in which they can be computed, for export to other frameworks. Convolutions,
 * batch norms and the linear layer are called as their weights are, without `.weight`.
 */
export function networkGraph(spec: ModelSpec): GraphNode[] {
  const nodes: GraphNode[] = [
    { op: 'normalise-pixels', name: 'pixels', inputs: [graphInput] },
    { op: 'convolution', name: 'conv1', inputs: ['pixels'], stride: 1, padding: 1 },
  ];
  const normaliseRelu = (name: string, input: string): string => {
    nodes.push({ op: 'batch-norm', name, inputs: [input] }, { op: 'relu', name: `${name}.relu`, inputs: [name] });
    return `${name}.relu`;
  };
  let x = 'conv1';
  for (const { name, stride, projection } of blockLayouts(spec)) {
    const first = normaliseRelu(`${name}.bn1`, x);
    nodes.push({ op: 'convolution', name: `${name}.conv1`, inputs: [first], stride, padding: 1 });
    const second = normaliseRelu(`${name}.bn2`, `${name}.conv1`);
    nodes.push({ op: 'convolution', name: `${name}.conv2`, inputs: [second], stride: 1, padding: 1 });
    if (projection) nodes.push({ op: 'convolution', name: `${name}.shortcut`, inputs: [x], stride, padding: 0 });
    nodes.push({ op: 'add', name, inputs: [`${name}.conv2`, projection ? `${name}.shortcut` : x] });
    x = name;
  }
  nodes.push({ op: 'mean-pool', name: 'features', inputs: [normaliseRelu('bn', x)] });
  nodes.push({ op: 'linear', name: 'linear', inputs: ['features'] });
  return nodes;
}
