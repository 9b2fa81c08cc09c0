#pragma once

#include <cstddef>
#include <cstdint>

namespace percept {

enum class UnaryOp : int {
  kRelu,
  kStep,
  kSign,
  kSqrt,
  kRsqrt,
  kSquare,
  kNeg,
  kAbs,
  kExp,
  kLog,
  kSigmoid,
  kTanh,
  kReciprocal,
  kFloor,
  kClip,
  kCount
};

enum class BinaryOp : int { kAdd, kSub, kMul, kDiv, kMax, kMin, kSquaredDifference, kReluGrad, kCount };

enum class ReduceOp : int { kSum, kMean, kMax, kMin, kCount };

/** Element-wise operands of one collapsed shape; a stride of 0 repeats the operand along that axis, the last strides are 0 or 1. */
struct Broadcast {
  static constexpr int maximumRank = 6;
  int rank;
  int dims[maximumRank];
  int aStrides[maximumRank];
  int bStrides[maximumRank];
};

/** A strided view copied into a contiguous array: dims of the result, strides into the source. */
struct StridedView {
  static constexpr int maximumRank = 6;
  int rank;
  int dims[maximumRank];
  ptrdiff_t strides[maximumRank];
};

struct MatmulShape {
  int batch, m, n, k;
  bool transposeA, transposeB;
  /** Elements between the matrices of a batch; 0 repeats one matrix. */
  size_t aBatchStride, bBatchStride;
};

/** Per-channel vectors of a batch normalisation followed, where `relu` is set, by a relu: scale (x - mean) + beta. */
struct Normalisation {
  const float* mean;
  const float* scale;
  const float* beta;
  bool relu;
};

/** Per-channel factors of the second derivative of a normalisation. */
struct SecondFactors {
  const float *dyOnU, *dyConstant, *dyOnX;
  const float *xOnU, *xConstant, *xOnX, *xOnDy;
};

/**
 * The kernels of one instruction set. All arrays are contiguous float32; rows x channels means a row-major matrix with channels last.
 * Results depend on shapes only, never on the number of threads. No kernel allocates more than a few pages or throws.
 */
struct Kernels {
  const char* name;
  void (*unary)(UnaryOp op, const float* x, float* out, size_t length, float low, float high, int threads);
  void (*binary)(BinaryOp op, const float* a, const float* b, float* out, const Broadcast& shape, int threads);
  void (*fill)(float* out, size_t length, float value, int threads);
  void (*copyStrided)(const float* x, float* out, const StridedView& view, int threads);
  void (*reduce)(ReduceOp op, const float* x, float* out, size_t outer, size_t reduced, size_t inner, int threads);
  void (*matmul)(const float* a, const float* b, const float* bias, float* out, const MatmulShape& shape, int threads);
  void (*softmax)(const float* logits, float* out, size_t rows, size_t classes, bool logarithm, int threads);
  void (*crossEntropy)(const float* logits, const float* targets, float* losses, size_t rows, size_t classes,
                       int threads);
  /** d loss / d logits, times one factor per row. */
  void (*crossEntropyGrad)(const float* rowFactors, const float* logits, const float* targets, float* out, size_t rows,
                           size_t classes, int threads);
  /** Mean and biased variance per channel. */
  void (*channelMoments)(const float* x, float* mean, float* variance, size_t rows, size_t channels, int threads);
  void (*normalise)(const float* x, float* out, const Normalisation& how, size_t rows, size_t channels, int threads);
  /** out = dy * scale, masked by the relu. */
  void (*normaliseInputGrad)(const float* dy, const float* x, float* out, const Normalisation& how, size_t rows,
                             size_t channels, int threads);
  /** Per channel: sum of masked dy, and sum of masked dy times (x - mean). */
  void (*normaliseGradSums)(const float* dy, const float* x, const Normalisation& how, double* sums, double* products,
                            size_t rows, size_t channels, int threads);
  /** out = dyFactor * masked dy + xFactor * (x - mean) + constant, each per channel, + add where given; out may be dy. */
  void (*normaliseTrainGrad)(const float* dy, const float* x, const float* add, float* out, const Normalisation& how,
                             const float* dyFactor, const float* xFactor, const float* constant, size_t rows,
                             size_t channels, int threads);
  /**
   * The sums that the second derivative needs, each [channels], one after the other: of u, of masked dy, of u (x - mean),
   * of masked dy (x - mean), of u times masked dy.
   */
  void (*normaliseSecondSums)(const float* u, const float* dy, const float* x, const Normalisation& how, double* sums,
                              size_t rows, size_t channels, int threads);
  /** dDy = mask (onDy . (u, 1, x - mean)); dX = onX . (u, 1, x - mean, masked dy), each with per-channel factors. */
  void (*normaliseSecondGrad)(const float* u, const float* dy, const float* x, float* dDy, float* dX,
                              const Normalisation& how, const SecondFactors& factors, size_t rows, size_t channels,
                              int threads);
  /** running += momentum (factor value - running). */
  void (*moveAverage)(float* running, const float* value, size_t length, float momentum, float factor);
  /** velocity = momentum velocity + (gradient + weightDecay parameter); parameter -= learningRate velocity. */
  void (*sgdMomentum)(float* parameter, float* velocity, const float* gradient, size_t length, float learningRate,
                      float momentum, float weightDecay, int threads);
  /** Moves along the gradient's sign, then into [centre - epsilon, centre + epsilon], then into [0, 1]. */
  void (*linfStep)(const float* iterate, const float* gradient, const float* centre, float* out, size_t length,
                   float step, float epsilon, int threads);
};

/** The kernels for this CPU: AVX-512, AVX2 with FMA, or portable. */
const Kernels& kernels();

}  // namespace percept
