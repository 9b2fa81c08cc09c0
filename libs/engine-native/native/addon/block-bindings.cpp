#include "bindings.h"
#include "convolution-shapes.h"
#include "kernels.h"
#include "normalisation-gradient.h"

// The pre-activation residual block in one call: y = conv2(relu(bn2(conv1(relu(bn1(x)))))) + shortcut(x), where the shortcut is x itself or a
// strided 1x1 convolution of it. Normalisations, relus and the addition ride along in the convolutions' loads and stores.

namespace percept {
namespace {

/** The block's three convolutions; the shortcut's is meaningful only where the block has one. */
struct Block {
  conv::Conv2dShape first, second, shortcut;
  bool projects;
  conv::Precision precision;
  size_t xRows, innerRows, inChannels, outChannels;

  size_t xLength() const { return xRows * inChannels; }
  size_t innerLength() const { return innerRows * outChannels; }
  size_t firstFilterLength() const { return size_t{9} * inChannels * outChannels; }
  size_t secondFilterLength() const { return size_t{9} * outChannels * outChannels; }
  size_t shortcutFilterLength() const { return inChannels * outChannels; }
};

/** Reads batch, height, width, in channels, out channels, stride, and the filters' precision, 0 for float32 and 1 for bfloat16. */
Block blockOf(const Arguments& a, size_t index) {
  const Integers sizes = a.integers(index);
  if (sizes.length != 7) Arguments::fail(index, "must hold the six sizes and the precision of a block");
  for (size_t i = 0; i < 6; i++) {
    if (sizes.data[i] < 1) Arguments::fail(index, "holds a size out of range");
  }
  const int batch = sizes.data[0], height = sizes.data[1], width = sizes.data[2];
  const int in = sizes.data[3], out = sizes.data[4], stride = sizes.data[5];
  const int outHeight = (height - 1) / stride + 1;
  const int outWidth = (width - 1) / stride + 1;
  Block block{};
  block.first = {batch, height, width, in, outHeight, outWidth, out, 3, 3, stride, stride, 1, 1, 1, 1};
  block.second = {batch, outHeight, outWidth, out, outHeight, outWidth, out, 3, 3, 1, 1, 1, 1, 1, 1};
  block.shortcut = {batch, height, width, in, outHeight, outWidth, out, 1, 1, stride, stride, 0, 0, 1, 1};
  block.projects = stride != 1 || in != out;
  block.precision = precisionOf(sizes.data[6], index);
  block.inChannels = static_cast<size_t>(in);
  block.outChannels = static_cast<size_t>(out);
  block.xRows = size_t{1} * batch * height * width;
  block.innerRows = size_t{1} * batch * outHeight * outWidth;
  if (!conv::supported(block.first) || !conv::supported(block.second) || !conv::supported(block.shortcut)) {
    Arguments::fail(index, "holds a size out of range");
  }
  return block;
}

/** A normalisation as the convolutions apply it: x scale + shift. */
struct Affine {
  float* scale;
  float* shift;
};

void affineOf(const float* gamma, const float* beta, const float* mean, const float* variance, double epsilon,
              size_t channels, const Affine& affine) {
  scaleOf(gamma, variance, epsilon, channels, affine.scale);
  for (size_t c = 0; c < channels; c++) affine.shift[c] = beta[c] - mean[c] * affine.scale[c];
}

conv::Options plain(const Block& block, const EngineState& state) {
  conv::Options options;
  options.threads = state.threads;
  options.precision = block.precision;
  return options;
}

conv::Options withPrologue(const Block& block, const EngineState& state, const Affine& affine) {
  conv::Options options = plain(block, state);
  options.prologue = {affine.scale, affine.shift, true};
  return options;
}

conv::Options withAddition(const Block& block, const EngineState& state, const float* add) {
  conv::Options options = plain(block, state);
  options.epilogue.add = add;
  return options;
}

conv::Options withGate(const Block& block, const EngineState& state, const float* gate, const Affine& affine,
                       const float* add) {
  conv::Options options = withAddition(block, state, add);
  options.epilogue.gate = gate;
  options.epilogue.gate_scale = affine.scale;
  options.epilogue.gate_shift = affine.shift;
  return options;
}

/** y = conv2(relu(inner scale2 + shift2)) + shortcut(x) */
void secondHalf(const Block& block, const float* x, const float* inner, const Affine& affine, const float* filter,
                const float* shortcut, float* y, EngineState& state) {
  if (block.projects) conv::forward(block.shortcut, x, shortcut, y, state.workspace, plain(block, state));
  conv::Options options = withPrologue(block, state, affine);
  options.epilogue.add = block.projects ? y : x;
  conv::forward(block.second, inner, filter, y, state.workspace, options);
}

/** Room for the scales and shifts of both normalisations and two vectors more. */
float* blockScratch(const Block& block, EngineState& state) {
  return state.scratch(6 * (block.inChannels > block.outChannels ? block.inChannels : block.outChannels));
}

/**
 * blockInference(sizes, epsilon, x, gamma1, beta1, mean1, variance1, filter1, gamma2, beta2, mean2, variance2, filter2, shortcut or null,
 * inner, y)
 */
void blockInference(const Arguments& a, EngineState& state) {
  const Block block = blockOf(a, 0);
  const double epsilon = a.number(1);
  const size_t in = block.inChannels, out = block.outChannels;
  const float* x = a.floats(2, block.xLength());
  float* inner = a.floats(14, block.innerLength());
  float* y = a.floats(15, block.innerLength());
  float* scratch = blockScratch(block, state);
  const Affine first{scratch, scratch + in};
  affineOf(a.floats(3, in), a.floats(4, in), a.floats(5, in), a.floats(6, in), epsilon, in, first);
  const float* shortcut = block.projects ? a.floats(13, block.shortcutFilterLength()) : nullptr;
  const float* filter1 = a.floats(7, block.firstFilterLength());
  const float* filter2 = a.floats(12, block.secondFilterLength());
  const Affine second{scratch + 2 * in, scratch + 2 * in + out};
  affineOf(a.floats(8, out), a.floats(9, out), a.floats(10, out), a.floats(11, out), epsilon, out, second);
  conv::forward(block.first, x, filter1, inner, state.workspace, withPrologue(block, state, first));
  secondHalf(block, x, inner, second, filter2, shortcut, y, state);
}

/**
 * blockInferenceInputGrad(sizes, epsilon, x, gamma1, beta1, mean1, variance1, filter1, gamma2, beta2, mean2, variance2, filter2,
 * shortcut or null, inner, dy, dInner, dx); dInner is scratch of inner's size.
 */
void blockInferenceInputGrad(const Arguments& a, EngineState& state) {
  const Block block = blockOf(a, 0);
  const double epsilon = a.number(1);
  const size_t in = block.inChannels, out = block.outChannels;
  const float* x = a.floats(2, block.xLength());
  const float* inner = a.floats(14, block.innerLength());
  const float* dy = a.floats(15, block.innerLength());
  float* dInner = a.floats(16, block.innerLength());
  float* dx = a.floats(17, block.xLength());
  float* scratch = blockScratch(block, state);
  const Affine first{scratch, scratch + in};
  affineOf(a.floats(3, in), a.floats(4, in), a.floats(5, in), a.floats(6, in), epsilon, in, first);
  const float* filter1 = a.floats(7, block.firstFilterLength());
  const float* filter2 = a.floats(12, block.secondFilterLength());
  const float* shortcut = block.projects ? a.floats(13, block.shortcutFilterLength()) : nullptr;
  const Affine second{scratch + 2 * in, scratch + 2 * in + out};
  affineOf(a.floats(8, out), a.floats(9, out), a.floats(10, out), a.floats(11, out), epsilon, out, second);
  conv::backward_input(block.second, dy, filter2, dInner, state.workspace, withGate(block, state, inner, second, nullptr));
  if (block.projects) conv::backward_input(block.shortcut, dy, shortcut, dx, state.workspace, plain(block, state));
  conv::backward_input(block.first, dInner, filter1, dx, state.workspace,
                       withGate(block, state, x, first, block.projects ? dx : dy));
}

/**
 * blockTrain(sizes, epsilon, x, gamma1, beta1, filter1, gamma2, beta2, filter2, shortcut or null, inner, y, mean1, variance1, mean2,
 * variance2)
 */
void blockTrain(const Arguments& a, EngineState& state) {
  const Block block = blockOf(a, 0);
  const double epsilon = a.number(1);
  const size_t in = block.inChannels, out = block.outChannels;
  const float* x = a.floats(2, block.xLength());
  const float* filter1 = a.floats(5, block.firstFilterLength());
  const float* gamma2 = a.floats(6, out);
  const float* beta2 = a.floats(7, out);
  const float* filter2 = a.floats(8, block.secondFilterLength());
  const float* shortcut = block.projects ? a.floats(9, block.shortcutFilterLength()) : nullptr;
  float* inner = a.floats(10, block.innerLength());
  float* y = a.floats(11, block.innerLength());
  float* mean1 = a.floats(12, in);
  float* variance1 = a.floats(13, in);
  float* mean2 = a.floats(14, out);
  float* variance2 = a.floats(15, out);
  float* scratch = blockScratch(block, state);
  const Affine first{scratch, scratch + in};
  const Affine second{scratch + 2 * in, scratch + 2 * in + out};
  kernels().channelMoments(x, mean1, variance1, block.xRows, in, state.threads);
  affineOf(a.floats(3, in), a.floats(4, in), mean1, variance1, epsilon, in, first);
  conv::forward(block.first, x, filter1, inner, state.workspace, withPrologue(block, state, first));
  kernels().channelMoments(inner, mean2, variance2, block.innerRows, out, state.threads);
  affineOf(gamma2, beta2, mean2, variance2, epsilon, out, second);
  secondHalf(block, x, inner, second, filter2, shortcut, y, state);
}

/**
 * blockTrainGrad(sizes, epsilon, x, gamma1, beta1, filter1, gamma2, beta2, filter2, shortcut or null, inner, mean1, variance1, mean2,
 * variance2, dy, dInner, dx, dGamma1, dBeta1, dFilter1, dGamma2, dBeta2, dFilter2, dShortcut or null); dInner is scratch of inner's size.
 */
void blockTrainGrad(const Arguments& a, EngineState& state) {
  const Block block = blockOf(a, 0);
  const double epsilon = a.number(1);
  const size_t in = block.inChannels, out = block.outChannels;
  const float* x = a.floats(2, block.xLength());
  const float* gamma1 = a.floats(3, in);
  const float* beta1 = a.floats(4, in);
  const float* filter1 = a.floats(5, block.firstFilterLength());
  const float* gamma2 = a.floats(6, out);
  const float* beta2 = a.floats(7, out);
  const float* filter2 = a.floats(8, block.secondFilterLength());
  const float* shortcut = block.projects ? a.floats(9, block.shortcutFilterLength()) : nullptr;
  const float* inner = a.floats(10, block.innerLength());
  const float* mean1 = a.floats(11, in);
  const float* variance1 = a.floats(12, in);
  const float* mean2 = a.floats(13, out);
  const float* variance2 = a.floats(14, out);
  const float* dy = a.floats(15, block.innerLength());
  float* dInner = a.floats(16, block.innerLength());
  float* dx = a.floats(17, block.xLength());
  float* dFilter1 = a.floats(20, block.firstFilterLength());
  float* dFilter2 = a.floats(23, block.secondFilterLength());
  float* dShortcut = block.projects ? a.floats(24, block.shortcutFilterLength()) : nullptr;

  float* scratch = blockScratch(block, state);
  const size_t widest = in > out ? in : out;
  float* xFactor = scratch + 4 * widest;
  float* constant = xFactor + widest;
  const Affine first{scratch, scratch + widest};
  const Affine second{scratch + 2 * widest, scratch + 3 * widest};
  affineOf(gamma1, beta1, mean1, variance1, epsilon, in, first);
  affineOf(gamma2, beta2, mean2, variance2, epsilon, out, second);

  conv::backward_filter(block.second, inner, dy, dFilter2, state.workspace, withPrologue(block, state, second));
  conv::backward_input(block.second, dy, filter2, dInner, state.workspace, plain(block, state));
  const Normalisation secondHow{mean2, second.scale, beta2, true};
  const TrainGradVectors secondVectors{gamma2, variance2, nullptr, nullptr, a.floats(21, out), a.floats(22, out),
                                       xFactor, constant};
  normalisationTrainGrad(dInner, inner, nullptr, dInner, secondHow, secondVectors, epsilon, block.innerRows, out,
                         state);

  conv::backward_filter(block.first, x, dInner, dFilter1, state.workspace, withPrologue(block, state, first));
  conv::backward_input(block.first, dInner, filter1, dx, state.workspace, plain(block, state));
  const Normalisation firstHow{mean1, first.scale, beta1, true};
  const TrainGradVectors firstVectors{gamma1, variance1, nullptr, nullptr, a.floats(18, in), a.floats(19, in),
                                      xFactor, constant};
  normalisationTrainGrad(dx, x, block.projects ? nullptr : dy, dx, firstHow, firstVectors, epsilon, block.xRows, in,
                         state);
  if (block.projects) {
    conv::backward_filter(block.shortcut, x, dy, dShortcut, state.workspace, state.threads);
    conv::backward_input(block.shortcut, dy, shortcut, dx, state.workspace, withAddition(block, state, dx));
  }
}

}  // namespace

extern const NamedBinding blockBindings[] = {
    {"blockInference", blockInference},
    {"blockInferenceInputGrad", blockInferenceInputGrad},
    {"blockTrain", blockTrain},
    {"blockTrainGrad", blockTrainGrad},
};
extern const size_t blockBindingCount = sizeof(blockBindings) / sizeof(NamedBinding);

}  // namespace percept
