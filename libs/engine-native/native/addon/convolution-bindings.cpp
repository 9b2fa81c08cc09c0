#include "bindings.h"

namespace percept {
namespace {

/** The sizes of a convolution, in the order of ConvolutionShape's fields, as JavaScript passes them in one array. */
ConvolutionShape shapeOf(const Arguments& a, size_t index) {
  const Integers sizes = a.integers(index);
  if (sizes.length != 15) Arguments::fail(index, "must hold the 15 sizes of a convolution");
  const int32_t* v = sizes.data;
  const ConvolutionShape shape{v[0], v[1], v[2],  v[3],  v[4],  v[5],  v[6], v[7],
                               v[8], v[9], v[10], v[11], v[12], v[13], v[14]};
  for (size_t i = 0; i < sizes.length; i++) {
    const bool isPad = i == 11 || i == 12;
    if (v[i] < (isPad ? 0 : 1)) Arguments::fail(index, "holds a size out of range");
  }
  const auto fits = [](int out, int stride, int filter, int dilation, int side, int before) {
    const int lastStart = (out - 1) * stride - before;
    return lastStart < side && lastStart + (filter - 1) * dilation >= 0;
  };
  if (!fits(shape.outHeight, shape.strideHeight, shape.filterHeight, shape.dilationHeight, shape.height, shape.padTop) ||
      !fits(shape.outWidth, shape.strideWidth, shape.filterWidth, shape.dilationWidth, shape.width, shape.padLeft)) {
    Arguments::fail(index, "holds an output size that does not fit");
  }
  return shape;
}

conv::Conv2dShape ownShape(const ConvolutionShape& s) {
  return {s.batch,        s.height,      s.width,        s.inChannels,  s.outHeight, s.outWidth, s.outChannels,
          s.filterHeight, s.filterWidth, s.strideHeight, s.strideWidth, s.padTop,    s.padLeft,  s.dilationHeight,
          s.dilationWidth};
}

/** Our own kernels take every shape on a CPU with AVX-512 and AVX2; elsewhere oneDNN is the faster one. */
bool isOurs(const conv::Conv2dShape& shape) {
  return conv::active_isa() != conv::Isa::portable && conv::supported(shape);
}

/** convolution(x, filter, y, sizes) */
void convolution(const Arguments& a, EngineState& state) {
  const ConvolutionShape s = shapeOf(a, 3);
  const float* x = a.floats(0, s.inputLength());
  const float* filter = a.floats(1, s.filterLength());
  float* y = a.floats(2, s.outputLength());
  const conv::Conv2dShape own = ownShape(s);
  if (isOurs(own)) {
    conv::forward(own, x, filter, y, state.workspace, state.threads);
  } else {
    state.oneDnn.forward(s, x, filter, y);
  }
}

/** convolutionInputGrad(dy, filter, dx, sizes) */
void convolutionInputGrad(const Arguments& a, EngineState& state) {
  const ConvolutionShape s = shapeOf(a, 3);
  const float* dy = a.floats(0, s.outputLength());
  const float* filter = a.floats(1, s.filterLength());
  float* dx = a.floats(2, s.inputLength());
  const conv::Conv2dShape own = ownShape(s);
  if (isOurs(own)) {
    conv::backward_input(own, dy, filter, dx, state.workspace, state.threads);
  } else {
    state.oneDnn.backwardInput(s, dy, filter, dx);
  }
}

/** convolutionFilterGrad(x, dy, dFilter, sizes) */
void convolutionFilterGrad(const Arguments& a, EngineState& state) {
  const ConvolutionShape s = shapeOf(a, 3);
  const float* x = a.floats(0, s.inputLength());
  const float* dy = a.floats(1, s.outputLength());
  float* dFilter = a.floats(2, s.filterLength());
  const conv::Conv2dShape own = ownShape(s);
  if (isOurs(own)) {
    conv::backward_filter(own, x, dy, dFilter, state.workspace, state.threads);
  } else {
    state.oneDnn.backwardFilter(s, x, dy, dFilter);
  }
}

}  // namespace

extern const NamedBinding convolutionBindings[] = {
    {"convolution", convolution},
    {"convolutionInputGrad", convolutionInputGrad},
    {"convolutionFilterGrad", convolutionFilterGrad},
};
extern const size_t convolutionBindingCount = sizeof(convolutionBindings) / sizeof(NamedBinding);

}  // namespace percept
