#include <math.h>
#include <string.h>

#include "isa.h"
#include "parallel.h"

namespace percept::PERCEPT_ISA {
namespace {

constexpr size_t grain = 16384;

template <class F>
void map(const float* x, float* out, size_t length, int threads, F f) {
  overRanges(length, grain, threads, [=](size_t begin, size_t end) {
#pragma omp simd
    for (size_t i = begin; i < end; i++) out[i] = f(x[i]);
  });
}

/** Like map, for functions of the C library: spread over threads sooner, since each call is slow. */
template <class F>
void mapSlow(const float* x, float* out, size_t length, int threads, F f) {
  overRanges(length, 1024, threads, [=](size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) out[i] = f(x[i]);
  });
}

struct Operand {
  const float* data;
  int stride;
};

template <class F>
inline void run(const float* a, int aStride, const float* b, int bStride, float* out, size_t length, F f) {
  if (aStride == 1 && bStride == 1) {
#pragma omp simd
    for (size_t i = 0; i < length; i++) out[i] = f(a[i], b[i]);
  } else if (aStride == 1) {
    const float second = *b;
#pragma omp simd
    for (size_t i = 0; i < length; i++) out[i] = f(a[i], second);
  } else if (bStride == 1) {
    const float first = *a;
#pragma omp simd
    for (size_t i = 0; i < length; i++) out[i] = f(first, b[i]);
  } else {
    const float value = f(*a, *b);
    for (size_t i = 0; i < length; i++) out[i] = value;
  }
}

constexpr size_t repeatedLength = 1024;

/** out[row, column] = f(a[row, column], b[column]) for a short b, repeated into long runs; `swapped` exchanges the operands. */
template <class F>
void rowsWithShortVector(const float* rows, const float* vector, float* out, size_t count, size_t width, int threads,
                         F f) {
  float repeated[repeatedLength];
  const size_t copies = repeatedLength / width;
  for (size_t i = 0; i < copies; i++) memcpy(repeated + i * width, vector, width * sizeof(float));
  const size_t period = copies * width;
  const size_t length = count * width;
  const float* pattern = repeated;
  overRanges((length + period - 1) / period, 16, threads, [=](size_t begin, size_t end) {
    for (size_t piece = begin; piece < end; piece++) {
      const size_t start = piece * period;
      const size_t n = smaller(period, length - start);
#pragma omp simd
      for (size_t i = 0; i < n; i++) out[start + i] = f(rows[start + i], pattern[i]);
    }
  });
}

template <class F>
void broadcast(const float* a, const float* b, float* out, const Broadcast& s, int threads, F f) {
  const int inner = s.rank - 1;
  const size_t width = static_cast<size_t>(s.dims[inner]);
  const int aStride = s.aStrides[inner];
  const int bStride = s.bStrides[inner];
  if (s.rank == 1) {
    overRanges(width, grain, threads, [=](size_t begin, size_t end) {
      run(a + begin * aStride, aStride, b + begin * bStride, bStride, out + begin, end - begin, f);
    });
    return;
  }
  if (s.rank == 2 && width <= repeatedLength / 4 && aStride == 1 && bStride == 1) {
    if (s.bStrides[0] == 0 && s.aStrides[0] == s.dims[1]) {
      rowsWithShortVector(a, b, out, s.dims[0], width, threads, f);
      return;
    }
    if (s.aStrides[0] == 0 && s.bStrides[0] == s.dims[1]) {
      rowsWithShortVector(b, a, out, s.dims[0], width, threads, [f](float y, float x) { return f(x, y); });
      return;
    }
  }
  size_t runs = 1;
  for (int axis = 0; axis < inner; axis++) runs *= static_cast<size_t>(s.dims[axis]);
  const size_t rowGrain = width >= grain ? 1 : grain / width;
  const Broadcast* shape = &s;
  overRanges(runs, rowGrain, threads, [=](size_t begin, size_t end) {
    for (size_t row = begin; row < end; row++) {
      size_t rest = row;
      size_t aOffset = 0;
      size_t bOffset = 0;
      for (int axis = inner - 1; axis >= 0; axis--) {
        const size_t index = rest % static_cast<size_t>(shape->dims[axis]);
        rest /= static_cast<size_t>(shape->dims[axis]);
        aOffset += index * static_cast<size_t>(shape->aStrides[axis]);
        bOffset += index * static_cast<size_t>(shape->bStrides[axis]);
      }
      run(a + aOffset, aStride, b + bOffset, bStride, out + row * width, width, f);
    }
  });
}

}  // namespace

void unary(UnaryOp op, const float* x, float* out, size_t n, float low, float high, int threads) {
  switch (op) {
    case UnaryOp::kRelu:
      return map(x, out, n, threads, [](float v) { return v > 0 ? v : (v != v ? v : 0.0f); });
    case UnaryOp::kStep:
      return map(x, out, n, threads, [low](float v) { return v > 0 ? 1.0f : (v != v ? v : low); });
    case UnaryOp::kSign:
      return map(x, out, n, threads, [](float v) { return v > 0 ? 1.0f : (v < 0 ? -1.0f : 0.0f); });
    case UnaryOp::kSqrt:
      return map(x, out, n, threads, [](float v) { return sqrtf(v); });
    case UnaryOp::kRsqrt:
      return map(x, out, n, threads, [](float v) { return 1.0f / sqrtf(v); });
    case UnaryOp::kSquare:
      return map(x, out, n, threads, [](float v) { return v * v; });
    case UnaryOp::kNeg:
      return map(x, out, n, threads, [](float v) { return -v; });
    case UnaryOp::kAbs:
      return map(x, out, n, threads, [](float v) { return fabsf(v); });
    case UnaryOp::kReciprocal:
      return map(x, out, n, threads, [](float v) { return 1.0f / v; });
    case UnaryOp::kFloor:
      return map(x, out, n, threads, [](float v) { return floorf(v); });
    case UnaryOp::kClip:
      return map(x, out, n, threads, [low, high](float v) { return v > high ? high : (v < low ? low : v); });
    case UnaryOp::kExp:
      return mapSlow(x, out, n, threads, [](float v) { return expf(v); });
    case UnaryOp::kLog:
      return mapSlow(x, out, n, threads, [](float v) { return logf(v); });
    case UnaryOp::kSigmoid:
      return mapSlow(x, out, n, threads, [](float v) { return 1.0f / (1.0f + expf(-v)); });
    case UnaryOp::kTanh:
      return mapSlow(x, out, n, threads, [](float v) { return tanhf(v); });
    case UnaryOp::kCount:
      return;
  }
}

void binary(BinaryOp op, const float* a, const float* b, float* out, const Broadcast& s, int threads) {
  switch (op) {
    case BinaryOp::kAdd:
      return broadcast(a, b, out, s, threads, [](float x, float y) { return x + y; });
    case BinaryOp::kSub:
      return broadcast(a, b, out, s, threads, [](float x, float y) { return x - y; });
    case BinaryOp::kMul:
      return broadcast(a, b, out, s, threads, [](float x, float y) { return x * y; });
    case BinaryOp::kDiv:
      return broadcast(a, b, out, s, threads, [](float x, float y) { return x / y; });
    case BinaryOp::kMax:
      return broadcast(a, b, out, s, threads, [](float x, float y) { return x > y ? x : (y >= x ? y : x + y); });
    case BinaryOp::kMin:
      return broadcast(a, b, out, s, threads, [](float x, float y) { return x < y ? x : (y <= x ? y : x + y); });
    case BinaryOp::kSquaredDifference:
      return broadcast(a, b, out, s, threads, [](float x, float y) { return (x - y) * (x - y); });
    case BinaryOp::kReluGrad:
      return broadcast(a, b, out, s, threads, [](float dy, float x) { return x > 0 ? dy : (x != x ? x : 0.0f); });
    case BinaryOp::kCount:
      return;
  }
}

void fill(float* out, size_t length, float value, int threads) {
  overRanges(length, grain, threads, [=](size_t begin, size_t end) {
#pragma omp simd
    for (size_t i = begin; i < end; i++) out[i] = value;
  });
}

void copyStrided(const float* x, float* out, const StridedView& v, int threads) {
  const int inner = v.rank - 1;
  const size_t width = static_cast<size_t>(v.dims[inner]);
  const ptrdiff_t stride = v.strides[inner];
  size_t runs = 1;
  for (int axis = 0; axis < inner; axis++) runs *= static_cast<size_t>(v.dims[axis]);
  const StridedView* view = &v;
  overRanges(runs, width >= grain ? 1 : grain / width, threads, [=](size_t begin, size_t end) {
    for (size_t row = begin; row < end; row++) {
      size_t rest = row;
      ptrdiff_t offset = 0;
      for (int axis = inner - 1; axis >= 0; axis--) {
        const size_t side = static_cast<size_t>(view->dims[axis]);
        offset += static_cast<ptrdiff_t>(rest % side) * view->strides[axis];
        rest /= side;
      }
      float* to = out + row * width;
      const float* from = x + offset;
      if (stride == 1) {
        memcpy(to, from, width * sizeof(float));
      } else {
        for (size_t i = 0; i < width; i++) to[i] = from[static_cast<ptrdiff_t>(i) * stride];
      }
    }
  });
}

void moveAverage(float* running, const float* value, size_t length, float momentum, float factor) {
#pragma omp simd
  for (size_t i = 0; i < length; i++) running[i] = (1.0f - momentum) * running[i] + momentum * (factor * value[i]);
}

void sgdMomentum(float* parameter, float* velocity, const float* gradient, size_t length, float learningRate,
                 float momentum, float weightDecay, int threads) {
  overRanges(length, grain, threads, [=](size_t begin, size_t end) {
#pragma omp simd
    for (size_t i = begin; i < end; i++) {
      const float v = momentum * velocity[i] + (gradient[i] + weightDecay * parameter[i]);
      velocity[i] = v;
      parameter[i] -= learningRate * v;
    }
  });
}

void linfStep(const float* iterate, const float* gradient, const float* centre, float* out, size_t length, float step,
              float epsilon, int threads) {
  overRanges(length, grain, threads, [=](size_t begin, size_t end) {
#pragma omp simd
    for (size_t i = begin; i < end; i++) {
      const float g = gradient[i];
      const float direction = g > 0 ? 1.0f : (g < 0 ? -1.0f : 0.0f);
      const float moved = iterate[i] + direction * step;
      const float low = centre[i] - epsilon;
      const float high = centre[i] + epsilon;
      const float raised = moved > low ? moved : low;
      const float inBall = raised < high ? raised : high;
      out[i] = inBall > 1.0f ? 1.0f : (inBall < 0.0f ? 0.0f : inBall);
    }
  });
}

}  // namespace percept::PERCEPT_ISA
