#include "bindings.h"
#include "kernels.h"

namespace percept {
namespace {

template <class Op>
Op operation(const Arguments& arguments, size_t index) {
  const int value = arguments.integer(index);
  if (value < 0 || value >= static_cast<int>(Op::kCount)) Arguments::fail(index, "is no known operation");
  return static_cast<Op>(value);
}

/** unary(op, x, out, low, high) */
void unary(const Arguments& a, EngineState& state) {
  const Floats out = a.floats(2);
  kernels().unary(operation<UnaryOp>(a, 0), a.floats(1, out.length), out.data, out.length,
                  static_cast<float>(a.number(3)), static_cast<float>(a.number(4)), state.threads);
}

size_t reach(const int* dims, const int* strides, int rank) {
  size_t last = 0;
  for (int axis = 0; axis < rank; axis++) last += static_cast<size_t>(dims[axis] - 1) * static_cast<size_t>(strides[axis]);
  return last + 1;
}

/** binary(op, a, b, out) of one length, or binary(op, a, b, out, dims, aStrides, bStrides). */
void binary(const Arguments& a, EngineState& state) {
  const BinaryOp op = operation<BinaryOp>(a, 0);
  const Floats out = a.floats(3);
  Broadcast shape{};
  if (a.absent(4)) {
    shape.rank = 1;
    shape.dims[0] = static_cast<int>(out.length);
    shape.aStrides[0] = shape.bStrides[0] = 1;
  } else {
    const Integers dims = a.integers(4);
    const Integers aStrides = a.integers(5);
    const Integers bStrides = a.integers(6);
    shape.rank = static_cast<int>(dims.length);
    if (shape.rank < 1 || shape.rank > Broadcast::maximumRank) Arguments::fail(4, "has an unsupported rank");
    if (aStrides.length != dims.length || bStrides.length != dims.length) Arguments::fail(5, "has another rank");
    size_t length = 1;
    for (int axis = 0; axis < shape.rank; axis++) {
      shape.dims[axis] = dims.data[axis];
      shape.aStrides[axis] = aStrides.data[axis];
      shape.bStrides[axis] = bStrides.data[axis];
      if (shape.dims[axis] < 1 || shape.aStrides[axis] < 0 || shape.bStrides[axis] < 0) {
        Arguments::fail(4, "holds a size or stride out of range");
      }
      length *= static_cast<size_t>(shape.dims[axis]);
    }
    if (length != out.length) Arguments::fail(3, "has another size than its shape");
    if (shape.aStrides[shape.rank - 1] > 1 || shape.bStrides[shape.rank - 1] > 1) {
      Arguments::fail(5, "must end with a stride of 0 or 1");
    }
  }
  if (out.length == 0) return;
  const float* left = a.floats(1, reach(shape.dims, shape.aStrides, shape.rank));
  const float* right = a.floats(2, reach(shape.dims, shape.bStrides, shape.rank));
  kernels().binary(op, left, right, out.data, shape, state.threads);
}

/** fill(out, value) */
void fill(const Arguments& a, EngineState& state) {
  const Floats out = a.floats(0);
  kernels().fill(out.data, out.length, static_cast<float>(a.number(1)), state.threads);
}

/** copyStrided(x, offset, out, dims, strides) */
void copyStrided(const Arguments& a, EngineState& state) {
  const Floats x = a.floats(0);
  const int offset = a.size(1);
  const Floats out = a.floats(2);
  const Integers dims = a.integers(3);
  const Integers strides = a.integers(4);
  StridedView view{};
  view.rank = static_cast<int>(dims.length);
  if (view.rank < 1 || view.rank > StridedView::maximumRank) Arguments::fail(3, "has an unsupported rank");
  if (strides.length != dims.length) Arguments::fail(4, "has another rank");
  size_t length = 1;
  ptrdiff_t lowest = offset;
  ptrdiff_t highest = offset;
  for (int axis = 0; axis < view.rank; axis++) {
    view.dims[axis] = dims.data[axis];
    view.strides[axis] = strides.data[axis];
    if (view.dims[axis] < 0) Arguments::fail(3, "holds a negative size");
    length *= static_cast<size_t>(view.dims[axis]);
    const ptrdiff_t span = static_cast<ptrdiff_t>(view.dims[axis] - 1) * view.strides[axis];
    (span < 0 ? lowest : highest) += span;
  }
  if (length != out.length) Arguments::fail(2, "has another size than its shape");
  if (length == 0) return;
  if (lowest < 0 || highest >= static_cast<ptrdiff_t>(x.length)) Arguments::fail(4, "reaches beyond the source");
  kernels().copyStrided(x.data + offset, out.data, view, state.threads);
}

/** sgdMomentum(parameter, velocity, gradient, learningRate, momentum, weightDecay), in place. */
void sgdMomentum(const Arguments& a, EngineState& state) {
  const Floats parameter = a.floats(0);
  kernels().sgdMomentum(parameter.data, a.floats(1, parameter.length), a.floats(2, parameter.length), parameter.length,
                        static_cast<float>(a.number(3)), static_cast<float>(a.number(4)),
                        static_cast<float>(a.number(5)), state.threads);
}

/** moveAverages(runningMean, runningVariance, mean, variance, momentum, varianceFactor), in place. */
void moveAverages(const Arguments& a, EngineState&) {
  const Floats mean = a.floats(0);
  float* variance = a.floats(1, mean.length);
  const float momentum = static_cast<float>(a.number(4));
  kernels().moveAverage(mean.data, a.floats(2, mean.length), mean.length, momentum, 1.0f);
  kernels().moveAverage(variance, a.floats(3, mean.length), mean.length, momentum, static_cast<float>(a.number(5)));
}

/** linfStep(iterate, gradient, centre, out, step, epsilon) */
void linfStep(const Arguments& a, EngineState& state) {
  const Floats out = a.floats(3);
  kernels().linfStep(a.floats(0, out.length), a.floats(1, out.length), a.floats(2, out.length), out.data, out.length,
                     static_cast<float>(a.number(4)), static_cast<float>(a.number(5)), state.threads);
}

}  // namespace

extern const NamedBinding elementwiseBindings[] = {
    {"unary", unary},           {"binary", binary},           {"fill", fill},
    {"copyStrided", copyStrided}, {"sgdMomentum", sgdMomentum}, {"linfStep", linfStep},
    {"moveAverages", moveAverages},
};
extern const size_t elementwiseBindingCount = sizeof(elementwiseBindings) / sizeof(NamedBinding);

}  // namespace percept
