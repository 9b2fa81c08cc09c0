#include "bindings.h"
#include "convolution-shapes.h"

namespace percept {
namespace {

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
