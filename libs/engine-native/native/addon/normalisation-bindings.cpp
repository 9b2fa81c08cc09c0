#include <cmath>

#include "bindings.h"
#include "kernels.h"
#include "normalisation-gradient.h"

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
  scaleOf(gamma, variance, epsilon, channels, scale);
  const Normalisation how{mean, scale, beta, relu};
  const TrainGradVectors vectors{gamma, variance, dMean, dVariance, dGamma, dBeta, scale + channels, scale + 2 * channels};
  normalisationTrainGrad(dy, x, nullptr, dx, how, vectors, epsilon, rows, channels, state);
}

/**
 * batchNormTrainGradGrad(uInput, uGamma, uBeta, dy, x, gamma, beta, mean, variance, dVariance or null, epsilon, relu, dDy, dX, dGamma):
 * the gradient of <uInput, dx> + <uGamma, dGamma> + <uBeta, dBeta>, these three from batchNormTrainGrad, with respect to dy, x and gamma.
 */
void batchNormTrainGradGrad(const Arguments& a, EngineState& state) {
  const auto [rows, channels] = matrixOf(a, 4, 5);
  const float* u = a.floats(0, rows * channels);
  const float* uGamma = a.floats(1, channels);
  const float* uBeta = a.floats(2, channels);
  const float* dy = a.floats(3, rows * channels);
  const float* x = a.floats(4, rows * channels);
  const float* gamma = a.floats(5, channels);
  const float* beta = a.floats(6, channels);
  const float* mean = a.floats(7, channels);
  const float* variance = a.floats(8, channels);
  const float* dVariance = a.optionalFloats(9, channels);
  const double epsilon = a.number(10);
  const bool relu = a.flag(11);
  float* dDy = a.floats(12, rows * channels);
  float* dX = a.floats(13, rows * channels);
  float* dGamma = a.floats(14, channels);

  float* vectors = state.scratch(8 * channels);
  float* scale = vectors;
  float* dyOnU = vectors + channels;
  float* dyConstant = vectors + 2 * channels;
  float* dyOnX = vectors + 3 * channels;
  float* xOnU = vectors + 4 * channels;
  float* xConstant = vectors + 5 * channels;
  float* xOnX = vectors + 6 * channels;
  float* xOnDy = vectors + 7 * channels;
  double* sums = state.wideScratch(5 * channels);
  scaleOf(gamma, variance, epsilon, channels, scale);
  const Normalisation how{mean, scale, beta, relu};
  kernels().normaliseSecondSums(u, dy, x, how, sums, rows, channels, state.threads);
  const double n = static_cast<double>(rows);
  for (size_t c = 0; c < channels; c++) {
    const double i = 1.0 / std::sqrt(variance[c] + epsilon);
    const double meanU = sums[c] / n;
    const double meanG = sums[channels + c] / n;
    // Means of u and of masked dy against the normalised input.
    const double a1 = i * sums[2 * channels + c] / n;
    const double b1 = i * sums[3 * channels + c] / n;
    const double s = sums[4 * channels + c] - n * meanU * meanG - n * a1 * b1;
    const double g = gamma[c];
    const double ofVariance = dVariance ? 2.0 * dVariance[c] / n : 0.0;
    dGamma[c] = static_cast<float>(i * s);
    dyOnU[c] = static_cast<float>(g * i);
    dyConstant[c] = static_cast<float>(uBeta[c] - g * i * meanU);
    dyOnX[c] = static_cast<float>(i * (uGamma[c] - g * i * a1));
    xOnU[c] = static_cast<float>(ofVariance - g * i * i * b1);
    xOnDy[c] = static_cast<float>(i * (uGamma[c] - g * i * a1));
    xOnX[c] = static_cast<float>(i * i * (2 * g * i * a1 * b1 - uGamma[c] * b1 - g * i * s / n));
    xConstant[c] = static_cast<float>(g * i * i * (meanU * b1 + meanG * a1) - i * uGamma[c] * meanG - ofVariance * meanU);
  }
  const SecondFactors factors{dyOnU, dyConstant, dyOnX, xOnU, xConstant, xOnX, xOnDy};
  kernels().normaliseSecondGrad(u, dy, x, dDy, dX, how, factors, rows, channels, state.threads);
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
    {"batchNormTrainGradGrad", batchNormTrainGradGrad},
    {"batchNormInference", batchNormInference},
    {"batchNormInferenceInputGrad", batchNormInferenceInputGrad},
};
extern const size_t normalisationBindingCount = sizeof(normalisationBindings) / sizeof(NamedBinding);

}  // namespace percept
