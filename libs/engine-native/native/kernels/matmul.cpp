#include <string.h>

#include "isa.h"
#include "parallel.h"

namespace percept::PERCEPT_ISA {
namespace {

constexpr int rowsPerTile = 6;
constexpr int columnsPerTile = 32;

/** Copies `count` columns of op(B), from `column` on, into [k][columnsPerTile], zero-padded. */
void packColumns(const float* b, const MatmulShape& s, int column, int count, float* packed) {
  for (int p = 0; p < s.k; p++) {
    float* to = packed + static_cast<size_t>(p) * columnsPerTile;
    if (s.transposeB) {
      for (int j = 0; j < count; j++) to[j] = b[static_cast<size_t>(column + j) * s.k + p];
    } else {
      memcpy(to, b + static_cast<size_t>(p) * s.n + column, static_cast<size_t>(count) * sizeof(float));
    }
    for (int j = count; j < columnsPerTile; j++) to[j] = 0;
  }
}

/** One tile of the product; every element is summed over k in order, whatever its neighbours. */
template <int rows>
void tile(const float* a, size_t rowStride, size_t depthStride, const float* packed, int depth, const float* bias,
          float* out, size_t outStride, int columns) {
  float sum[rows][columnsPerTile] = {};
  for (int p = 0; p < depth; p++) {
    const float* from = packed + static_cast<size_t>(p) * columnsPerTile;
    for (int r = 0; r < rows; r++) {
      const float left = a[static_cast<size_t>(r) * rowStride + static_cast<size_t>(p) * depthStride];
#pragma omp simd
      for (int j = 0; j < columnsPerTile; j++) sum[r][j] += left * from[j];
    }
  }
  for (int r = 0; r < rows; r++) {
    float* to = out + static_cast<size_t>(r) * outStride;
    for (int j = 0; j < columns; j++) to[j] = bias ? sum[r][j] + bias[j] : sum[r][j];
  }
}

}  // namespace

void matmul(const float* a, const float* b, const float* bias, float* out, const MatmulShape& shape, int threads) {
  const MatmulShape s = shape;
  const size_t panels = static_cast<size_t>((s.n + columnsPerTile - 1) / columnsPerTile);
  constexpr size_t rowsPerTask = 16 * rowsPerTile;
  const size_t strips = (static_cast<size_t>(s.m) + rowsPerTask - 1) / rowsPerTask;
  const size_t panelLength = static_cast<size_t>(s.k) * columnsPerTile;
  const size_t rowStride = s.transposeA ? 1 : static_cast<size_t>(s.k);
  const size_t depthStride = s.transposeA ? static_cast<size_t>(s.m) : 1;
  const size_t work = static_cast<size_t>(s.batch) * s.m * s.n * s.k;
  const size_t matrices = s.bBatchStride == 0 ? 1 : static_cast<size_t>(s.batch);
  float* packed = new float[matrices * panels * panelLength];
  overTasks(matrices * panels, work, threads, [=](size_t task) {
    const size_t matrix = task / panels;
    const int column = static_cast<int>(task % panels) * columnsPerTile;
    const int count = s.n - column < columnsPerTile ? s.n - column : columnsPerTile;
    packColumns(b + matrix * s.bBatchStride, s, column, count, packed + task * panelLength);
  });
  overTasks(static_cast<size_t>(s.batch) * strips * panels, work, threads, [=](size_t task) {
    const size_t batch = task / (strips * panels);
    const size_t strip = task / panels % strips;
    const size_t panel = task % panels;
    const float* right = packed + ((s.bBatchStride == 0 ? 0 : batch) * panels + panel) * panelLength;
    const int column = static_cast<int>(panel) * columnsPerTile;
    const int columns = s.n - column < columnsPerTile ? s.n - column : columnsPerTile;
    const size_t last = smaller((strip + 1) * rowsPerTask, static_cast<size_t>(s.m));
    const float* left = a + batch * s.aBatchStride;
    float* to = out + batch * s.m * s.n + column;
    const float* added = bias ? bias + column : nullptr;
    size_t row = strip * rowsPerTask;
    for (; row + rowsPerTile <= last; row += rowsPerTile) {
      tile<rowsPerTile>(left + row * rowStride, rowStride, depthStride, right, s.k, added, to + row * s.n, s.n,
                        columns);
    }
    for (; row < last; row++) {
      tile<1>(left + row * rowStride, rowStride, depthStride, right, s.k, added, to + row * s.n, s.n, columns);
    }
  });
  delete[] packed;
}

}  // namespace percept::PERCEPT_ISA
