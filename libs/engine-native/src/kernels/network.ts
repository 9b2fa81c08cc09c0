import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { precisions } from '../addon.js';
import type { NativeBackend } from '../native-backend.js';
import { attributes, input, type KernelCall, ownKernel } from './native-kernel.js';

interface NetworkAttributes {
  readonly network: {
    readonly tensors: readonly TensorInfo[];
    readonly blocks: readonly { readonly stride: number; readonly projects: boolean }[];
    readonly epsilon: number;
    readonly precision: keyof typeof precisions;
  };
  readonly keepActivations: boolean;
}

/** What the addon wants to know of a network, in its order. */
interface Description {
  readonly sizes: Int32Array;
  readonly epsilon: number;
  readonly versions: Float64Array;
  readonly tensors: Float32Array[];
  readonly classes: number;
  /** Values of all activations of the batch. */
  readonly activationsLength: number;
}

function describe(backend: NativeBackend, imageShape: readonly number[], attrs: NetworkAttributes): Description {
  const { tensors, blocks, epsilon, precision } = attrs.network;
  let index = 2;
  const filter = (): TensorInfo => tensors[index] as TensorInfo;
  const [batch, height, width, channels] = imageShape as [number, number, number, number];
  const classes = (tensors.at(-1) as TensorInfo).shape[0] as number;
  const stemChannels = filter().shape[3] as number;
  const sizes: number[] = [batch, height, width, channels, classes, stemChannels, precisions[precision]];
  const versions = [backend.version(filter())];
  let [rows, columns, floats] = [height, width, height * width * stemChannels];
  index++;
  for (const { stride, projects } of blocks) {
    index += 4;
    const outChannels = filter().shape[3] as number;
    sizes.push(outChannels, stride, projects ? 1 : 0);
    versions.push(backend.version(filter()));
    index += 5;
    versions.push(backend.version(filter()));
    index++;
    versions.push(projects ? backend.version(filter()) : 0);
    if (projects) index++;
    rows = Math.floor((rows - 1) / stride) + 1;
    columns = Math.floor((columns - 1) / stride) + 1;
    floats += 2 * rows * columns * outChannels;
  }
  return {
    sizes: Int32Array.from(sizes),
    epsilon,
    versions: Float64Array.from(versions),
    tensors: tensors.map((tensor) => backend.floats(tensor)),
    classes,
    activationsLength: batch * floats,
  };
}

/** A whole pre-activation residual network in inference mode as one kernel per direction. */
export const networkKernels: readonly (() => KernelConfig)[] = [
  // {x} -> logits, beside which the activations stay where a gradient may be asked for
  () =>
    ownKernel('ResidualNetworkInference', (call: KernelCall) => {
      const { backend } = call;
      const attrs = attributes<NetworkAttributes>(call);
      const x = input(call, 'x');
      const { sizes, epsilon, versions, tensors, classes, activationsLength } = describe(backend, x.shape, attrs);
      const logits = backend.output([x.shape[0] as number, classes]);
      const activations = attrs.keepActivations ? backend.takeScratch(activationsLength) : null;
      backend.addon.networkLogits(sizes, epsilon, versions, tensors, backend.floats(x), activations, logits.values);
      if (activations !== null) backend.setCompanion(logits.info, activations);
      return logits.info;
    }),
  // {x, y, dy} -> dx
  () =>
    ownKernel('ResidualNetworkInferenceInputGrad', (call: KernelCall) => {
      const { backend } = call;
      const x = input(call, 'x');
      const { sizes, epsilon, versions, tensors } = describe(backend, x.shape, attributes<NetworkAttributes>(call));
      const activations = backend.companion(input(call, 'y'));
      if (activations === undefined) throw new Error("a network's gradient needs the output of its own forward pass");
      const dx = backend.output(x.shape.slice());
      const dy = backend.floats(input(call, 'dy'));
      backend.addon.networkInputGrad(sizes, epsilon, versions, tensors, activations, dy, dx.values);
      return dx.info;
    }),
];
