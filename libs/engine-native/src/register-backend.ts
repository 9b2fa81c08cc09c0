import {
  findBackend,
  getKernelsForBackend,
  type KernelConfig,
  registerBackend,
  registerKernel,
} from '@tensorflow/tfjs-core';
import { type Addon, loadAddon } from './addon.js';
import { blockKernels } from './kernels/block.js';
import { convolutionKernels } from './kernels/convolution.js';
import { elementwiseKernels } from './kernels/elementwise.js';
import { fusedKernels } from './kernels/fused.js';
import { matmulKernels } from './kernels/matmul.js';
import { backendName } from './kernels/native-kernel.js';
import { networkKernels } from './kernels/network.js';
import { reductionKernels } from './kernels/reductions.js';
import { viewKernels } from './kernels/views.js';
import { NativeBackend } from './native-backend.js';

/** What the native engine is: its TF.js backend's name and how it computes. */
export interface NativeEngineInfo {
  /** Name of the registered TF.js backend. */
  readonly backend: string;
  readonly version: string;
  /** The instruction set its kernels use on this CPU: avx512, avx2 or portable. */
  readonly path: string;
  /** Version of the oneDNN library behind the convolutions that have no kernel of our own. */
  readonly oneDnnVersion: string;
}

const version = '0.1.0';

function allNativeKernels(addon: Addon): KernelConfig[] {
  return [
    ...elementwiseKernels,
    ...reductionKernels,
    ...matmulKernels,
    ...viewKernels,
    ...convolutionKernels,
    ...fusedKernels,
    // Made of our own convolutions, which are the fastest ones only where there are vector instructions.
    ...(addon.path === 'portable' ? [] : [...blockKernels, ...networkKernels]),
  ].map((make) => make());
}

function registerKernels(addon: Addon): void {
  const native = allNativeKernels(addon);
  const replaced = new Set(native.map(({ kernelName }) => kernelName));
  for (const kernel of native) registerKernel(kernel);
  for (const kernel of getKernelsForBackend('cpu')) {
    if (!replaced.has(kernel.kernelName)) registerKernel({ ...kernel, backendName });
  }
}

/**
 * Registers the native backend and its kernels with TF.js in this thread; safe to repeat, and sets the number of threads each time.
 *
 * @throws Error when the addon was not built or cannot be loaded here.
 */
export function registerNativeBackend({ threads }: { readonly threads: number }): NativeEngineInfo {
  const addon = loadAddon();
  addon.configure(threads);
  if (findBackend(backendName) === null) {
    registerKernels(addon);
    // Above the CPU backend's priority of 1.
    registerBackend(backendName, () => new NativeBackend(addon), 2);
  }
  return { backend: backendName, version, path: addon.path, oneDnnVersion: addon.oneDnnVersion };
}
