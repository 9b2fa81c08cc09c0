#include <string.h>

#include "isa.h"
#include "parallel.h"

namespace percept::PERCEPT_ISA {
namespace {

constexpr size_t shortest = 128;
constexpr size_t longest = 2048;
/** Elements of a chunk: its second pass finds it in the cache, and its sums stay exact enough in single precision. */
constexpr size_t chunkLength = 16384;

/**
 * A rows x channels matrix read as rows of `period` values, a multiple of the channels, so that inner loops are long and whole vectors
 * also for few channels.
 */
struct Layout {
  size_t period;
  size_t copies;
  size_t length;
  size_t periodsPerChunk;
  size_t chunks;

  Layout(size_t rows, size_t channels) : copies(1), length(rows * channels) {
    if (channels < shortest) {
      while (channels * copies < shortest || (channels * copies) % 16 != 0) copies++;
    }
    period = channels * copies;
    periodsPerChunk = period >= chunkLength ? 1 : chunkLength / period;
    const size_t perChunk = periodsPerChunk * period;
    chunks = (length + perChunk - 1) / perChunk;
  }

  size_t chunkBegin(size_t chunk) const { return chunk * periodsPerChunk * period; }
  size_t chunkEnd(size_t chunk) const { return smaller(chunkBegin(chunk + 1), length); }
};

/** A per-channel vector repeated over one period. */
class Repeated {
 public:
  Repeated(const float* vector, size_t channels, const Layout& layout) {
    if (layout.copies == 1) {
      data_ = vector;
      return;
    }
    for (size_t copy = 0; copy < layout.copies; copy++) {
      memcpy(buffer_ + copy * channels, vector, channels * sizeof(float));
    }
    data_ = buffer_;
  }
  Repeated(const Repeated&) = delete;
  Repeated& operator=(const Repeated&) = delete;
  const float* data() const { return data_; }

 private:
  alignas(64) float buffer_[longest];
  const float* data_;
};

/** Calls body(offset, count) for every period of a chunk; the last one may be shorter. */
template <class Body>
inline void overPeriods(const Layout& layout, size_t chunk, Body body) {
  const size_t end = layout.chunkEnd(chunk);
  for (size_t start = layout.chunkBegin(chunk); start < end; start += layout.period) {
    body(start, smaller(layout.period, end - start));
  }
}

inline void foldCopies(const float* repeated, float* folded, size_t channels, size_t copies) {
  for (size_t c = 0; c < channels; c++) folded[c] = repeated[c];
  for (size_t copy = 1; copy < copies; copy++) {
    for (size_t c = 0; c < channels; c++) folded[c] += repeated[copy * channels + c];
  }
}

/** Scratch of one chunk's accumulators; channels beyond the stack's share go to the heap. */
class Accumulator {
 public:
  explicit Accumulator(size_t period) : data_(period <= longest ? buffer_ : new float[period]) { clear(period); }
  ~Accumulator() {
    if (data_ != buffer_) delete[] data_;
  }
  Accumulator(const Accumulator&) = delete;
  Accumulator& operator=(const Accumulator&) = delete;
  void clear(size_t period) { memset(data_, 0, period * sizeof(float)); }
  float* data() { return data_; }

 private:
  alignas(64) float buffer_[longest];
  float* data_;
};

template <class F>
void overChunks(const Layout& layout, int threads, F f) {
  overTasks(layout.chunks, layout.length, threads, f);
}

}  // namespace

void channelMoments(const float* x, float* mean, float* variance, size_t rows, size_t channels, int threads) {
  const Layout layout(rows, channels);
  float* partial = new float[layout.chunks * channels * 2];
  overChunks(layout, threads, [=, &layout](size_t chunk) {
    Accumulator sums(layout.period);
    float* total = sums.data();
    overPeriods(layout, chunk, [=](size_t start, size_t n) {
#pragma omp simd
      for (size_t i = 0; i < n; i++) total[i] += x[start + i];
    });
    float* chunkMean = partial + chunk * channels * 2;
    float* chunkSquares = chunkMean + channels;
    foldCopies(total, chunkMean, channels, layout.copies);
    const float count = static_cast<float>((layout.chunkEnd(chunk) - layout.chunkBegin(chunk)) / channels);
    for (size_t c = 0; c < channels; c++) chunkMean[c] /= count;
    float* centre = total;
    for (size_t copy = 0; copy < layout.copies; copy++) {
      for (size_t c = 0; c < channels; c++) centre[copy * channels + c] = chunkMean[c];
    }
    Accumulator squares(layout.period);
    float* square = squares.data();
    overPeriods(layout, chunk, [=](size_t start, size_t n) {
#pragma omp simd
      for (size_t i = 0; i < n; i++) {
        const float d = x[start + i] - centre[i];
        square[i] += d * d;
      }
    });
    foldCopies(square, chunkSquares, channels, layout.copies);
  });
  double* totals = new double[channels * 2];
  for (size_t c = 0; c < channels * 2; c++) totals[c] = 0;
  double* squares = totals + channels;
  const double all = static_cast<double>(rows);
  for (size_t chunk = 0; chunk < layout.chunks; chunk++) {
    const double count = static_cast<double>((layout.chunkEnd(chunk) - layout.chunkBegin(chunk)) / channels);
    const float* part = partial + chunk * channels * 2;
#pragma omp simd
    for (size_t c = 0; c < channels; c++) totals[c] += count * part[c];
  }
  for (size_t c = 0; c < channels; c++) totals[c] /= all;
  for (size_t chunk = 0; chunk < layout.chunks; chunk++) {
    const double count = static_cast<double>((layout.chunkEnd(chunk) - layout.chunkBegin(chunk)) / channels);
    const float* part = partial + chunk * channels * 2;
#pragma omp simd
    for (size_t c = 0; c < channels; c++) {
      const double d = part[c] - totals[c];
      squares[c] += part[channels + c] + count * d * d;
    }
  }
  for (size_t c = 0; c < channels; c++) {
    mean[c] = static_cast<float>(totals[c]);
    variance[c] = static_cast<float>(squares[c] / all);
  }
  delete[] totals;
  delete[] partial;
}

void normalise(const float* x, float* out, const Normalisation& how, size_t rows, size_t channels, int threads) {
  const Layout layout(rows, channels);
  const Repeated means(how.mean, channels, layout);
  const Repeated scales(how.scale, channels, layout);
  const Repeated betas(how.beta, channels, layout);
  const float* mean = means.data();
  const float* scale = scales.data();
  const float* beta = betas.data();
  const bool relu = how.relu;
  overChunks(layout, threads, [=, &layout](size_t chunk) {
    overPeriods(layout, chunk, [=](size_t start, size_t n) {
      const float* from = x + start;
      float* to = out + start;
      if (relu) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
          const float y = (from[i] - mean[i]) * scale[i] + beta[i];
          to[i] = y > 0 ? y : (y != y ? y : 0.0f);
        }
      } else {
#pragma omp simd
        for (size_t i = 0; i < n; i++) to[i] = (from[i] - mean[i]) * scale[i] + beta[i];
      }
    });
  });
}

void normaliseInputGrad(const float* dy, const float* x, float* out, const Normalisation& how, size_t rows,
                        size_t channels, int threads) {
  const Layout layout(rows, channels);
  const Repeated means(how.mean, channels, layout);
  const Repeated scales(how.scale, channels, layout);
  const Repeated betas(how.beta, channels, layout);
  const float* mean = means.data();
  const float* scale = scales.data();
  const float* beta = betas.data();
  const bool relu = how.relu;
  overChunks(layout, threads, [=, &layout](size_t chunk) {
    overPeriods(layout, chunk, [=](size_t start, size_t n) {
      const float* from = x + start;
      const float* g = dy + start;
      float* to = out + start;
      if (relu) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
          const float y = (from[i] - mean[i]) * scale[i] + beta[i];
          to[i] = y > 0 ? g[i] * scale[i] : 0.0f;
        }
      } else {
#pragma omp simd
        for (size_t i = 0; i < n; i++) to[i] = g[i] * scale[i];
      }
    });
  });
}

void normaliseGradSums(const float* dy, const float* x, const Normalisation& how, double* sums, double* products,
                       size_t rows, size_t channels, int threads) {
  const Layout layout(rows, channels);
  const Repeated means(how.mean, channels, layout);
  const Repeated scales(how.scale, channels, layout);
  const Repeated betas(how.beta, channels, layout);
  const float* mean = means.data();
  const float* scale = scales.data();
  const float* beta = betas.data();
  const bool relu = how.relu;
  float* partial = new float[layout.chunks * channels * 2];
  overChunks(layout, threads, [=, &layout](size_t chunk) {
    Accumulator sumScratch(layout.period);
    Accumulator productScratch(layout.period);
    float* sum = sumScratch.data();
    float* product = productScratch.data();
    overPeriods(layout, chunk, [=](size_t start, size_t n) {
      const float* from = x + start;
      const float* g = dy + start;
      if (relu) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
          const float d = from[i] - mean[i];
          const float masked = d * scale[i] + beta[i] > 0 ? g[i] : 0.0f;
          sum[i] += masked;
          product[i] += masked * d;
        }
      } else {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
          sum[i] += g[i];
          product[i] += g[i] * (from[i] - mean[i]);
        }
      }
    });
    float* folded = partial + chunk * channels * 2;
    foldCopies(sum, folded, channels, layout.copies);
    foldCopies(product, folded + channels, channels, layout.copies);
  });
  for (size_t c = 0; c < channels; c++) sums[c] = products[c] = 0;
  for (size_t chunk = 0; chunk < layout.chunks; chunk++) {
    const float* part = partial + chunk * channels * 2;
#pragma omp simd
    for (size_t c = 0; c < channels; c++) {
      sums[c] += part[c];
      products[c] += part[channels + c];
    }
  }
  delete[] partial;
}

void normaliseTrainGrad(const float* dy, const float* x, const float* add, float* out, const Normalisation& how,
                        const float* dyFactor, const float* xFactor, const float* constant, size_t rows, size_t channels, int threads) {
  const Layout layout(rows, channels);
  const Repeated means(how.mean, channels, layout);
  const Repeated scales(how.scale, channels, layout);
  const Repeated betas(how.beta, channels, layout);
  const Repeated dyFactors(dyFactor, channels, layout);
  const Repeated xFactors(xFactor, channels, layout);
  const Repeated constants(constant, channels, layout);
  const float* mean = means.data();
  const float* scale = scales.data();
  const float* beta = betas.data();
  const float* onDy = dyFactors.data();
  const float* onX = xFactors.data();
  const float* added = constants.data();
  const bool relu = how.relu;
  overChunks(layout, threads, [=, &layout](size_t chunk) {
    overPeriods(layout, chunk, [=](size_t start, size_t n) {
      const float* from = x + start;
      const float* g = dy + start;
      float* to = out + start;
      const float* plus = add ? add + start : nullptr;
      if (plus) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
          const float d = from[i] - mean[i];
          const float masked = !relu || d * scale[i] + beta[i] > 0 ? g[i] : 0.0f;
          to[i] = plus[i] + (masked * onDy[i] + (d * onX[i] + added[i]));
        }
      } else {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
          const float d = from[i] - mean[i];
          const float masked = !relu || d * scale[i] + beta[i] > 0 ? g[i] : 0.0f;
          to[i] = masked * onDy[i] + (d * onX[i] + added[i]);
        }
      }
    });
  });
}

void normaliseSecondSums(const float* u, const float* dy, const float* x, const Normalisation& how, double* sums,
                         size_t rows, size_t channels, int threads) {
  constexpr size_t kinds = 5;
  const Layout layout(rows, channels);
  const Repeated means(how.mean, channels, layout);
  const Repeated scales(how.scale, channels, layout);
  const Repeated betas(how.beta, channels, layout);
  const float* mean = means.data();
  const float* scale = scales.data();
  const float* beta = betas.data();
  const bool relu = how.relu;
  const size_t perChunk = channels * kinds;
  float* partial = new float[layout.chunks * perChunk];
  overChunks(layout, threads, [=, &layout](size_t chunk) {
    Accumulator scratch(layout.period * kinds);
    float* sumU = scratch.data();
    float* sumDy = sumU + layout.period;
    float* productU = sumDy + layout.period;
    float* productDy = productU + layout.period;
    float* cross = productDy + layout.period;
    overPeriods(layout, chunk, [=](size_t start, size_t n) {
      const float* from = x + start;
      const float* g = dy + start;
      const float* v = u + start;
#pragma omp simd
      for (size_t i = 0; i < n; i++) {
        const float d = from[i] - mean[i];
        const float masked = !relu || d * scale[i] + beta[i] > 0 ? g[i] : 0.0f;
        sumU[i] += v[i];
        sumDy[i] += masked;
        productU[i] += v[i] * d;
        productDy[i] += masked * d;
        cross[i] += v[i] * masked;
      }
    });
    for (size_t kind = 0; kind < kinds; kind++) {
      foldCopies(sumU + kind * layout.period, partial + chunk * perChunk + kind * channels, channels, layout.copies);
    }
  });
  for (size_t i = 0; i < perChunk; i++) sums[i] = 0;
  for (size_t chunk = 0; chunk < layout.chunks; chunk++) {
    const float* part = partial + chunk * perChunk;
#pragma omp simd
    for (size_t i = 0; i < perChunk; i++) sums[i] += part[i];
  }
  delete[] partial;
}

void normaliseSecondGrad(const float* u, const float* dy, const float* x, float* dDy, float* dX,
                         const Normalisation& how, const SecondFactors& factors, size_t rows, size_t channels,
                         int threads) {
  const Layout layout(rows, channels);
  const Repeated means(how.mean, channels, layout);
  const Repeated scales(how.scale, channels, layout);
  const Repeated betas(how.beta, channels, layout);
  const Repeated onDyU(factors.dyOnU, channels, layout);
  const Repeated onDyConstant(factors.dyConstant, channels, layout);
  const Repeated onDyX(factors.dyOnX, channels, layout);
  const Repeated onXU(factors.xOnU, channels, layout);
  const Repeated onXConstant(factors.xConstant, channels, layout);
  const Repeated onXX(factors.xOnX, channels, layout);
  const Repeated onXDy(factors.xOnDy, channels, layout);
  const float* mean = means.data();
  const float* scale = scales.data();
  const float* beta = betas.data();
  const float* dyU = onDyU.data();
  const float* dyConstant = onDyConstant.data();
  const float* dyX = onDyX.data();
  const float* xU = onXU.data();
  const float* xConstant = onXConstant.data();
  const float* xX = onXX.data();
  const float* xDy = onXDy.data();
  const bool relu = how.relu;
  overChunks(layout, threads, [=, &layout](size_t chunk) {
    overPeriods(layout, chunk, [=](size_t start, size_t n) {
      const float* from = x + start;
      const float* g = dy + start;
      const float* v = u + start;
      float* toDy = dDy + start;
      float* toX = dX + start;
#pragma omp simd
      for (size_t i = 0; i < n; i++) {
        const float d = from[i] - mean[i];
        const float mask = !relu || d * scale[i] + beta[i] > 0 ? 1.0f : 0.0f;
        toDy[i] = mask * (dyU[i] * v[i] + dyX[i] * d + dyConstant[i]);
        toX[i] = xU[i] * v[i] + xDy[i] * (mask * g[i]) + xX[i] * d + xConstant[i];
      }
    });
  });
}

}  // namespace percept::PERCEPT_ISA
