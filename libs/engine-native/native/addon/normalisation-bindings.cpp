#include <cmath>

#include "bindings.h"
#include "kernels.h"

namespace percept {
namespace {

struct Matrix {
  size_t rows, channels;
};

Matrix matrixOf(const Arguments& a, size_t xIndex, size_t gammaIndex) {
  const size_t channels = a.floats(gammaIndex).length;
  const size_t length = a.floats(xIndex).length;
  if (channels == 0 || length == 0 || length % channels != 0) Arguments::fail(xIndex, "is no multiple of the channels");
  return {length / channels, channels};
}

/** scale = gamma / sqrt(variance + epsilon) */
void scaleOf(const float* gamma, const float* variance, double epsilon, size_t channels, float* scale) {
  for (size_t c = 0; c < channels; c++) scale[c] = static_cast<float>(gamma[c] / std::sqrt(variance[c] + epsilon));
}

/** batchNormTrain(x, gamma, beta, epsilon, relu, out, mean, variance) */
void batchNormTrain(const Arguments& a, EngineState& state) {
  const auto [rows, channels] = matrixOf(a, 0, 1);
  const float* x = a.floats(0, rows * channels);
  const float* gamma = a.floats(1, channels);
  float* out = a.floats(5, rows * channels);
  float* mean = a.floats(6, channels);
  float* variance = a.floats(7, channels);
  float* scale = state.scratch(channels);
  const Normalisation how{mean, scale, a.floats(2, channels), a.flag(4)};
  const double epsilon = a.number(3);
  kernels().channelMoments(x, mean, variance, rows, channels, state.threads);
  scaleOf(gamma, variance, epsilon, channels, scale);
  kernels().normalise(x, out, how, rows, channels, state.threads);
}

/** batchNormTrainGrad(dy, x, gamma, beta, mean, variance, epsilon, relu, dMean or null, dVariance or null, dx, dGamma, dBeta) */
void batchNormTrainGrad(const Arguments& a, EngineState& state) {
  const auto [rows, channels] = matrixOf(a, 1, 2);
  const float* dy = a.floats(0, rows * channels);
  const float* x = a.floats(1, rows * channels);
  const float* gamma = a.floats(2, channels);
  const float* beta = a.floats(3, channels);
  const float* mean = a.floats(4, channels);
  const float* variance = a.floats(5, channels);
  const double epsilon = a.number(6);
  const bool relu = a.flag(7);
  const float* dMean = a.optionalFloats(8, channels);
  const float* dVariance = a.optionalFloats(9, channels);
  float* dx = a.floats(10, rows * channels);
  float* dGamma = a.floats(11, channels);
  float* dBeta = a.floats(12, channels);

  float* scale = state.scratch(3 * channels);
  float* xFactor = scale + channels;
  float* constant = xFactor + channels;
  double* sums = state.wideScratch(2 * channels);
  double* products = sums + channels;
  scaleOf(gamma, variance, epsilon, channels, scale);
  const Normalisation how{mean, scale, beta, relu};
  kernels().normaliseGradSums(dy, x, how, sums, products, rows, channels, state.threads);
  const double count = static_cast<double>(rows);
  for (size_t c = 0; c < channels; c++) {
    const double inverse = 1.0 / std::sqrt(variance[c] + epsilon);
    const double ofVariance = dVariance ? 2.0 * dVariance[c] / count : 0.0;
    const double ofMean = dMean ? dMean[c] / count : 0.0;
    dGamma[c] = static_cast<float>(products[c] * inverse);
    dBeta[c] = static_cast<float>(sums[c]);
    xFactor[c] = static_cast<float>(ofVariance - gamma[c] * inverse * inverse * inverse * products[c] / count);
    constant[c] = static_cast<float>(ofMean - gamma[c] * inverse * sums[c] / count);
  }
  kernels().normaliseTrainGrad(dy, x, dx, how, scale, xFactor, constant, rows, channels, state.threads);
}

/** batchNormInference(x, gamma, beta, mean, variance, epsilon, relu, out) */
void batchNormInference(const Arguments& a, EngineState& state) {
  const auto [rows, channels] = matrixOf(a, 0, 1);
  float* scale = state.scratch(channels);
  scaleOf(a.floats(1, channels), a.floats(4, channels), a.number(5), channels, scale);
  const Normalisation how{a.floats(3, channels), scale, a.floats(2, channels), a.flag(6)};
  kernels().normalise(a.floats(0, rows * channels), a.floats(7, rows * channels), how, rows, channels, state.threads);
}

/** batchNormInferenceInputGrad(dy, x, gamma, beta, mean, variance, epsilon, relu, out) */
void batchNormInferenceInputGrad(const Arguments& a, EngineState& state) {
  const auto [rows, channels] = matrixOf(a, 1, 2);
  float* scale = state.scratch(channels);
  scaleOf(a.floats(2, channels), a.floats(5, channels), a.number(6), channels, scale);
  const Normalisation how{a.floats(4, channels), scale, a.floats(3, channels), a.flag(7)};
  kernels().normaliseInputGrad(a.floats(0, rows * channels), a.floats(1, rows * channels), a.floats(8, rows * channels),
                               how, rows, channels, state.threads);
}

}  // namespace

extern const NamedBinding normalisationBindings[] = {
    {"batchNormTrain", batchNormTrain},
    {"batchNormTrainGrad", batchNormTrainGrad},
    {"batchNormInference", batchNormInference},
    {"batchNormInferenceInputGrad", batchNormInferenceInputGrad},
};
extern const size_t normalisationBindingCount = sizeof(normalisationBindings) / sizeof(NamedBinding);

}  // namespace percept
