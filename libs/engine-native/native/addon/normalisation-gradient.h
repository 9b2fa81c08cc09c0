#pragma once

#include <cmath>

#include "engine-state.h"
#include "kernels.h"

namespace percept {

/** scale = gamma / sqrt(variance + epsilon) */
inline void scaleOf(const float* gamma, const float* variance, double epsilon, size_t channels, float* scale) {
  for (size_t c = 0; c < channels; c++) scale[c] = static_cast<float>(gamma[c] / std::sqrt(variance[c] + epsilon));
}

/** Per-channel inputs, results and scratch of a training-mode normalisation's gradient. */
struct TrainGradVectors {
  const float* gamma;
  const float* variance;
  /** Gradients that reach the statistics themselves, or null. */
  const float* dMean;
  const float* dVariance;
  float* dGamma;
  float* dBeta;
  /** Scratch. */
  float* xFactor;
  float* constant;
};

/**
 * dx = scale (g - mean(g) - xhat mean(g xhat)) + add, g = dy behind the relu, xhat the normalised input; dGamma = sum g xhat, dBeta = sum g.
 * dx may be dy's own array; add may be null.
 */
inline void normalisationTrainGrad(const float* dy, const float* x, const float* add, float* dx,
                                   const Normalisation& how, const TrainGradVectors& v, double epsilon, size_t rows,
                                   size_t channels, EngineState& state) {
  double* sums = state.wideScratch(2 * channels);
  double* products = sums + channels;
  kernels().normaliseGradSums(dy, x, how, sums, products, rows, channels, state.threads);
  const double count = static_cast<double>(rows);
  for (size_t c = 0; c < channels; c++) {
    const double inverse = 1.0 / std::sqrt(v.variance[c] + epsilon);
    const double ofVariance = v.dVariance ? 2.0 * v.dVariance[c] / count : 0.0;
    const double ofMean = v.dMean ? v.dMean[c] / count : 0.0;
    v.dGamma[c] = static_cast<float>(products[c] * inverse);
    v.dBeta[c] = static_cast<float>(sums[c]);
    v.xFactor[c] = static_cast<float>(ofVariance - v.gamma[c] * inverse * inverse * inverse * products[c] / count);
    v.constant[c] = static_cast<float>(ofMean - v.gamma[c] * inverse * sums[c] / count);
  }
  kernels().normaliseTrainGrad(dy, x, add, dx, how, how.scale, v.xFactor, v.constant, rows, channels, state.threads);
}

}  // namespace percept
