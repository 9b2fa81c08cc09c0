import { createRequire } from 'node:module';

/** A two-operand operation, by its number in the addon. */
export const binaryOperations = {
  Add: 0,
  Sub: 1,
  Multiply: 2,
  RealDiv: 3,
  Maximum: 4,
  Minimum: 5,
  SquaredDifference: 6,
  ReluGrad: 7,
} as const;

/** A one-operand operation, by its number in the addon. */
export const unaryOperations = {
  Relu: 0,
  Step: 1,
  Sign: 2,
  Sqrt: 3,
  Rsqrt: 4,
  Square: 5,
  Neg: 6,
  Abs: 7,
  Exp: 8,
  Log: 9,
  Sigmoid: 10,
  Tanh: 11,
  Reciprocal: 12,
  Floor: 13,
  ClipByValue: 14,
} as const;

/** A reduction, by its number in the addon. */
export const reduceOperations = { Sum: 0, Mean: 1, Max: 2, Min: 3 } as const;

/** What a residual block's filters are kept in, by its number in the addon; the arithmetic is float32 in either. */
export const precisions = { float32: 0, bfloat16: 1 } as const;

/**
 * The functions of the C++ addon. Arrays are contiguous float32; results go into arrays that the caller passes. Every function checks its
 * arguments' types and sizes and throws a RangeError naming the argument.
 */
export interface Addon {
  /** The instruction set that the kernels use on this CPU: avx512, avx2 or portable. */
  readonly path: string;
  readonly oneDnnVersion: string;
  configure(threads: number): void;
  /** An array on a cache line's boundary whose values are undefined. */
  allocate(length: number): Float32Array;
  /** What the kernels of this thread keep beside the arrays, in bytes: scratch and packed filters. */
  keptBytes(): number;
  unary(operation: number, x: Float32Array, out: Float32Array, low: number, high: number): void;
  binary(
    operation: number,
    a: Float32Array,
    b: Float32Array,
    out: Float32Array,
    dims?: Int32Array,
    aStrides?: Int32Array,
    bStrides?: Int32Array,
  ): void;
  fill(out: Float32Array, value: number): void;
  copyStrided(x: Float32Array, offset: number, out: Float32Array, dims: Int32Array, strides: Int32Array): void;
  reduce(operation: number, x: Float32Array, out: Float32Array, outer: number, reduced: number, inner: number): void;
  matmul(
    a: Float32Array,
    b: Float32Array,
    bias: Float32Array | null,
    out: Float32Array,
    batch: number,
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    transposeB: boolean,
    aBatchStride: number,
    bBatchStride: number,
  ): void;
  softmax(logits: Float32Array, out: Float32Array, rows: number, classes: number, logarithm: boolean): void;
  crossEntropy(logits: Float32Array, targets: Float32Array, losses: Float32Array, rows: number, classes: number): void;
  crossEntropyGrad(
    rowFactors: Float32Array,
    logits: Float32Array,
    targets: Float32Array,
    out: Float32Array,
    rows: number,
    classes: number,
  ): void;
  batchNormTrain(
    x: Float32Array,
    gamma: Float32Array,
    beta: Float32Array,
    epsilon: number,
    relu: boolean,
    out: Float32Array,
    mean: Float32Array,
    variance: Float32Array,
  ): void;
  batchNormTrainGrad(
    dy: Float32Array,
    x: Float32Array,
    gamma: Float32Array,
    beta: Float32Array,
    mean: Float32Array,
    variance: Float32Array,
    epsilon: number,
    relu: boolean,
    dMean: Float32Array | null,
    dVariance: Float32Array | null,
    dx: Float32Array,
    dGamma: Float32Array,
    dBeta: Float32Array,
  ): void;
  batchNormTrainGradGrad(
    uInput: Float32Array,
    uGamma: Float32Array,
    uBeta: Float32Array,
    dy: Float32Array,
    x: Float32Array,
    gamma: Float32Array,
    beta: Float32Array,
    mean: Float32Array,
    variance: Float32Array,
    dVariance: Float32Array | null,
    epsilon: number,
    relu: boolean,
    dDy: Float32Array,
    dX: Float32Array,
    dGamma: Float32Array,
  ): void;
  batchNormInference(
    x: Float32Array,
    gamma: Float32Array,
    beta: Float32Array,
    mean: Float32Array,
    variance: Float32Array,
    epsilon: number,
    relu: boolean,
    out: Float32Array,
  ): void;
  batchNormInferenceInputGrad(
    dy: Float32Array,
    x: Float32Array,
    gamma: Float32Array,
    beta: Float32Array,
    mean: Float32Array,
    variance: Float32Array,
    epsilon: number,
    relu: boolean,
    out: Float32Array,
  ): void;
  /** In place. */
  sgdMomentum(
    parameter: Float32Array,
    velocity: Float32Array,
    gradient: Float32Array,
    learningRate: number,
    momentum: number,
    weightDecay: number,
  ): void;
  /** In place: each running value moves by `momentum` towards the new one; the variance's is multiplied by `varianceFactor` first. */
  moveAverages(
    runningMean: Float32Array,
    runningVariance: Float32Array,
    mean: Float32Array,
    variance: Float32Array,
    momentum: number,
    varianceFactor: number,
  ): void;
  linfStep(
    iterate: Float32Array,
    gradient: Float32Array,
    centre: Float32Array,
    out: Float32Array,
    step: number,
    epsilon: number,
  ): void;
  /** `sizes`: the 15 sizes of a convolution, as `convolutionSizes` orders them. */
  convolution(x: Float32Array, filter: Float32Array, y: Float32Array, sizes: Int32Array): void;
  convolutionInputGrad(dy: Float32Array, filter: Float32Array, dx: Float32Array, sizes: Int32Array): void;
  convolutionFilterGrad(x: Float32Array, dy: Float32Array, dFilter: Float32Array, sizes: Int32Array): void;
  /** A residual block; `sizes`: batch, height, width, channels in and out, stride, precision. The arrays' order stands in block-bindings.cpp. */
  blockInference(sizes: Int32Array, epsilon: number, ...arrays: readonly (Float32Array | null)[]): void;
  blockInferenceInputGrad(sizes: Int32Array, epsilon: number, ...arrays: readonly (Float32Array | null)[]): void;
  blockTrain(sizes: Int32Array, epsilon: number, ...arrays: readonly (Float32Array | null)[]): void;
  blockTrainGrad(sizes: Int32Array, epsilon: number, ...arrays: readonly (Float32Array | null)[]): void;
  /** A whole residual network in inference mode. The order of sizes, versions and tensors stands in network-bindings.cpp. */
  networkLogits(
    sizes: Int32Array,
    epsilon: number,
    versions: Float64Array,
    tensors: readonly Float32Array[],
    images: Float32Array,
    activations: Float32Array | null,
    logits: Float32Array,
  ): void;
  /** From the activations that `networkLogits` kept. */
  networkInputGrad(
    sizes: Int32Array,
    epsilon: number,
    versions: Float64Array,
    tensors: readonly Float32Array[],
    activations: Float32Array,
    dLogits: Float32Array,
    dImages: Float32Array,
  ): void;
}

let loaded: Addon | undefined;

/** The addon, loaded once per thread. Throws when it was not built or does not fit this machine. */
export function loadAddon(): Addon {
  loaded ??= createRequire(import.meta.url)('../build/percept_native.node') as Addon;
  return loaded;
}
