#include "bindings.h"
#include "kernels.h"

namespace percept {
namespace {

size_t length(const Arguments& arguments, size_t index) { return static_cast<size_t>(arguments.size(index)); }

/** reduce(op, x, out, outer, reduced, inner): x [outer, reduced, inner] to out [outer, inner]. */
void reduce(const Arguments& a, EngineState& state) {
  const int op = a.integer(0);
  if (op < 0 || op >= static_cast<int>(ReduceOp::kCount)) Arguments::fail(0, "is no known operation");
  const size_t outer = length(a, 3);
  const size_t reduced = length(a, 4);
  const size_t inner = length(a, 5);
  if (outer * reduced * inner == 0) Arguments::fail(4, "must not be empty");
  kernels().reduce(static_cast<ReduceOp>(op), a.floats(1, outer * reduced * inner), a.floats(2, outer * inner), outer,
                   reduced, inner, state.threads);
}

/** matmul(a, b, bias or null, out, batch, m, n, k, transposeA, transposeB, aBatchStride, bBatchStride) */
void matmul(const Arguments& a, EngineState& state) {
  MatmulShape s{};
  s.batch = a.size(4);
  s.m = a.size(5);
  s.n = a.size(6);
  s.k = a.size(7);
  s.transposeA = a.flag(8);
  s.transposeB = a.flag(9);
  s.aBatchStride = length(a, 10);
  s.bBatchStride = length(a, 11);
  if (s.batch == 0 || s.m == 0 || s.n == 0 || s.k == 0) Arguments::fail(4, "must not be empty");
  const size_t matrices = static_cast<size_t>(s.batch);
  const size_t m = static_cast<size_t>(s.m);
  const size_t n = static_cast<size_t>(s.n);
  const size_t k = static_cast<size_t>(s.k);
  kernels().matmul(a.floats(0, (matrices - 1) * s.aBatchStride + m * k),
                   a.floats(1, (matrices - 1) * s.bBatchStride + k * n), a.optionalFloats(2, n),
                   a.floats(3, matrices * m * n), s, state.threads);
}

/** softmax(logits, out, rows, classes, logarithm) */
void softmax(const Arguments& a, EngineState& state) {
  const size_t rows = length(a, 2);
  const size_t classes = length(a, 3);
  if (rows * classes == 0) Arguments::fail(3, "must not be empty");
  kernels().softmax(a.floats(0, rows * classes), a.floats(1, rows * classes), rows, classes, a.flag(4), state.threads);
}

/** crossEntropy(logits, targets, losses, rows, classes) */
void crossEntropy(const Arguments& a, EngineState& state) {
  const size_t rows = length(a, 3);
  const size_t classes = length(a, 4);
  if (rows * classes == 0) Arguments::fail(4, "must not be empty");
  kernels().crossEntropy(a.floats(0, rows * classes), a.floats(1, rows * classes), a.floats(2, rows), rows, classes,
                         state.threads);
}

/** crossEntropyGrad(rowFactors, logits, targets, out, rows, classes) */
void crossEntropyGrad(const Arguments& a, EngineState& state) {
  const size_t rows = length(a, 4);
  const size_t classes = length(a, 5);
  if (rows * classes == 0) Arguments::fail(5, "must not be empty");
  kernels().crossEntropyGrad(a.floats(0, rows), a.floats(1, rows * classes), a.floats(2, rows * classes),
                             a.floats(3, rows * classes), rows, classes, state.threads);
}

}  // namespace

extern const NamedBinding reductionBindings[] = {
    {"reduce", reduce},
    {"matmul", matmul},
    {"softmax", softmax},
    {"crossEntropy", crossEntropy},
    {"crossEntropyGrad", crossEntropyGrad},
};
extern const size_t reductionBindingCount = sizeof(reductionBindings) / sizeof(NamedBinding);

}  // namespace percept
