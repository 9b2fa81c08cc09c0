#include <math.h>
#include <string.h>

#include "isa.h"
#include "parallel.h"

namespace percept::PERCEPT_ISA {
namespace {

/** Elements summed in single precision before a partial sum goes into double precision. */
constexpr size_t block = 512;
/** A long reduction is cut into pieces of this many elements, whose results are joined in order. */
constexpr size_t pieceLength = 65536;
constexpr size_t mostPieces = 64;
constexpr int lanes = 32;

struct Sum {
  static constexpr bool adds = true;
  static constexpr float first = 0.0f;
  static float join(float a, float b) { return a + b; }
};
struct Max {
  static constexpr bool adds = false;
  static constexpr float first = -INFINITY;
  static float join(float a, float b) { return a > b ? a : (b >= a ? b : a + b); }
};
struct Min {
  static constexpr bool adds = false;
  static constexpr float first = INFINITY;
  static float join(float a, float b) { return a < b ? a : (b <= a ? b : a + b); }
};

template <class Op>
inline double joinWide(double a, double b) {
  if constexpr (Op::adds) return a + b;
  return Op::join(static_cast<float>(a), static_cast<float>(b));
}

template <class Op>
double ofContiguous(const float* x, size_t length) {
  double total = Op::first;
  for (size_t start = 0; start < length; start += block) {
    const size_t n = smaller(block, length - start);
    const float* from = x + start;
    float lane[lanes];
    for (int j = 0; j < lanes; j++) lane[j] = Op::first;
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
#pragma omp simd
      for (int j = 0; j < lanes; j++) lane[j] = Op::join(lane[j], from[i + j]);
    }
    for (int j = 0; i < n; i++, j++) lane[j] = Op::join(lane[j], from[i]);
    for (int width = lanes / 2; width > 0; width /= 2) {
      for (int j = 0; j < width; j++) lane[j] = Op::join(lane[j], lane[j + width]);
    }
    total = joinWide<Op>(total, lane[0]);
  }
  return total;
}

/** Reduces rows [begin, end) of a matrix of `inner` columns into totals. */
template <class Op>
void ofColumns(const float* x, double* totals, size_t begin, size_t end, size_t inner) {
  constexpr size_t strip = 256;
  float partial[strip];
  for (size_t column = 0; column < inner; column += strip) {
    const size_t n = smaller(strip, inner - column);
    for (size_t j = 0; j < n; j++) totals[column + j] = Op::first;
    for (size_t start = begin; start < end; start += 64) {
      for (size_t j = 0; j < n; j++) partial[j] = Op::first;
      const size_t stop = smaller(start + 64, end);
      for (size_t row = start; row < stop; row++) {
        const float* from = x + row * inner + column;
#pragma omp simd
        for (size_t j = 0; j < n; j++) partial[j] = Op::join(partial[j], from[j]);
      }
      for (size_t j = 0; j < n; j++) totals[column + j] = joinWide<Op>(totals[column + j], partial[j]);
    }
  }
}

template <class Op>
void reduceBy(const float* x, float* out, size_t outer, size_t reduced, size_t inner, float factor, int threads) {
  const size_t elements = reduced * inner;
  if (inner == 1 && (outer >= mostPieces || elements <= pieceLength)) {
    overTasks(outer, outer * elements, threads,
              [=](size_t row) { out[row] = static_cast<float>(ofContiguous<Op>(x + row * reduced, reduced)) * factor; });
    return;
  }
  size_t pieces = (elements + pieceLength - 1) / pieceLength;
  pieces = outer >= mostPieces ? 1 : smaller(smaller(pieces, mostPieces), reduced);
  const size_t rows = (reduced + pieces - 1) / pieces;
  double* partial = new double[outer * pieces * inner];
  overTasks(outer * pieces, outer * elements, threads, [=](size_t task) {
    const size_t row = task / pieces;
    const size_t begin = smaller(task % pieces * rows, reduced);
    const size_t end = smaller(begin + rows, reduced);
    const float* from = x + row * elements;
    if (inner == 1) {
      partial[task] = ofContiguous<Op>(from + begin, end - begin);
    } else {
      ofColumns<Op>(from, partial + task * inner, begin, end, inner);
    }
  });
  for (size_t row = 0; row < outer; row++) {
    for (size_t j = 0; j < inner; j++) {
      double total = Op::first;
      for (size_t piece = 0; piece < pieces; piece++) {
        total = joinWide<Op>(total, partial[(row * pieces + piece) * inner + j]);
      }
      out[row * inner + j] = static_cast<float>(total) * factor;
    }
  }
  delete[] partial;
}

/** The logarithm of the sum of exponentials of one row, in double precision, and its largest entry. */
inline double logSumExp(const float* row, size_t classes, float* highest) {
  float top = row[0];
  for (size_t k = 1; k < classes; k++) top = row[k] > top ? row[k] : top;
  double total = 0;
  for (size_t k = 0; k < classes; k++) total += exp(static_cast<double>(row[k]) - top);
  *highest = top;
  return log(total);
}

}  // namespace

void reduce(ReduceOp op, const float* x, float* out, size_t outer, size_t reduced, size_t inner, int threads) {
  switch (op) {
    case ReduceOp::kSum:
      return reduceBy<Sum>(x, out, outer, reduced, inner, 1.0f, threads);
    case ReduceOp::kMean:
      return reduceBy<Sum>(x, out, outer, reduced, inner, 1.0f / static_cast<float>(reduced), threads);
    case ReduceOp::kMax:
      return reduceBy<Max>(x, out, outer, reduced, inner, 1.0f, threads);
    case ReduceOp::kMin:
      return reduceBy<Min>(x, out, outer, reduced, inner, 1.0f, threads);
    case ReduceOp::kCount:
      return;
  }
}

void softmax(const float* logits, float* out, size_t rows, size_t classes, bool logarithm, int threads) {
  overTasks(rows, rows * classes * 16, threads, [=](size_t row) {
    const float* z = logits + row * classes;
    float* y = out + row * classes;
    float top;
    const double logTotal = logSumExp(z, classes, &top);
    for (size_t k = 0; k < classes; k++) {
      const double logProbability = static_cast<double>(z[k]) - top - logTotal;
      y[k] = static_cast<float>(logarithm ? logProbability : exp(logProbability));
    }
  });
}

void crossEntropy(const float* logits, const float* targets, float* losses, size_t rows, size_t classes, int threads) {
  overTasks(rows, rows * classes * 16, threads, [=](size_t row) {
    const float* z = logits + row * classes;
    const float* t = targets + row * classes;
    float top;
    const double logTotal = logSumExp(z, classes, &top);
    double loss = 0;
    for (size_t k = 0; k < classes; k++) loss -= t[k] * (static_cast<double>(z[k]) - top - logTotal);
    losses[row] = static_cast<float>(loss);
  });
}

void crossEntropyGrad(const float* rowFactors, const float* logits, const float* targets, float* out, size_t rows,
                      size_t classes, int threads) {
  overTasks(rows, rows * classes * 16, threads, [=](size_t row) {
    const float* z = logits + row * classes;
    const float* t = targets + row * classes;
    float top;
    const double logTotal = logSumExp(z, classes, &top);
    double mass = 0;
    for (size_t k = 0; k < classes; k++) mass += t[k];
    const double factor = rowFactors[row];
    for (size_t k = 0; k < classes; k++) {
      const double probability = exp(static_cast<double>(z[k]) - top - logTotal);
      out[row * classes + k] = static_cast<float>(factor * (mass * probability - t[k]));
    }
  });
}

}  // namespace percept::PERCEPT_ISA
