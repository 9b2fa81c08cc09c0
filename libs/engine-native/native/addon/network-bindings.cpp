#include "bindings.h"
#include "convolution-shapes.h"
#include "network.h"

// A whole pre-activation residual network in inference mode, forwards or backwards, in one call.

namespace percept {
namespace {

/** Hands out the float arrays of a list in order. */
class TensorReader {
 public:
  TensorReader(const Arguments& a, size_t index) : index_(index), lists_(a.floatLists(index)) {}

  const float* next(size_t length) {
    if (next_ >= lists_.size()) Arguments::fail(index_, "holds too few arrays");
    const Floats& list = lists_[next_++];
    if (list.length != length) {
      Arguments::fail(index_, "holds an array of " + std::to_string(list.length) + " floats where " +
                                  std::to_string(length) + " are needed");
    }
    return list.data;
  }

  void finish() const {
    if (next_ != lists_.size()) Arguments::fail(index_, "holds too many arrays");
  }

 private:
  size_t index_;
  std::vector<Floats> lists_;
  size_t next_ = 0;
};

NetworkNormalisation normalisationOf(TensorReader& tensors, size_t channels) {
  const float* gamma = tensors.next(channels);
  const float* beta = tensors.next(channels);
  const float* mean = tensors.next(channels);
  return {gamma, beta, mean, tensors.next(channels)};
}

/**
 * Reads, from argument 0 on: the sizes (batch, height, width, channels, classes, channels of the stem, the precision of
 * the blocks' filters, 0 for float32 and 1 for bfloat16, then of each block its channels out, its stride, and 1 where
 * its shortcut is a convolution); epsilon; the filters' versions, the
 * stem's first, then each block's first, second and shortcut; the tensors: pixel scale and shift, stem, each block's
 * gamma1, beta1, mean1, variance1, filter1, gamma2, beta2, mean2, variance2, filter2 and shortcut, then gamma, beta,
 * mean, variance, weight [in, out], bias.
 */
Network networkOf(const Arguments& a) {
  const Integers sizes = a.integers(0);
  if (sizes.length < 7 || sizes.length % 3 != 1) Arguments::fail(0, "must hold the sizes of a network");
  const size_t blockCount = (sizes.length - 7) / 3;
  for (size_t i = 0; i < sizes.length; i++) {
    const bool isFlag = i >= 6 && i % 3 == 0;
    if (sizes.data[i] < (isFlag ? 0 : 1) || sizes.data[i] > 1 << 20) Arguments::fail(0, "holds a size out of range");
  }
  const double* versions = a.doubles(2, 1 + 3 * blockCount);
  const auto filterOf = [&](const float* values, size_t version) {
    return NetworkFilter{values, static_cast<uint64_t>(versions[version])};
  };
  TensorReader tensors(a, 3);
  Network network{};
  network.batch = sizes.data[0], network.height = sizes.data[1], network.width = sizes.data[2];
  network.channels = sizes.data[3], network.classes = sizes.data[4], network.stemChannels = sizes.data[5];
  network.precision = precisionOf(sizes.data[6], 0);
  network.epsilon = a.number(1);
  const size_t channels = static_cast<size_t>(network.channels);
  network.pixelScale = tensors.next(channels);
  network.pixelShift = tensors.next(channels);
  size_t in = static_cast<size_t>(network.stemChannels);
  network.stem = filterOf(tensors.next(9 * channels * in), 0);
  for (size_t i = 0; i < blockCount; i++) {
    const int32_t* of = sizes.data + 7 + 3 * i;
    const size_t out = static_cast<size_t>(of[0]);
    const bool projects = of[2] != 0;
    if (!projects && (of[1] != 1 || in != out)) Arguments::fail(0, "holds a block that needs a shortcut and has none");
    NetworkBlock block{};
    block.inChannels = static_cast<int>(in), block.outChannels = of[0], block.stride = of[1];
    block.firstNorm = normalisationOf(tensors, in);
    block.firstFilter = filterOf(tensors.next(9 * in * out), 1 + 3 * i);
    block.secondNorm = normalisationOf(tensors, out);
    block.secondFilter = filterOf(tensors.next(9 * out * out), 2 + 3 * i);
    if (projects) block.shortcut = filterOf(tensors.next(in * out), 3 + 3 * i);
    network.blocks.push_back(block);
    in = out;
  }
  network.lastNorm = normalisationOf(tensors, in);
  network.weight = tensors.next(in * static_cast<size_t>(network.classes));
  network.bias = tensors.next(static_cast<size_t>(network.classes));
  tensors.finish();
  if (!supported(network)) Arguments::fail(0, "holds a size out of range");
  return network;
}

size_t imagesLength(const Network& n) {
  return size_t{1} * n.batch * n.height * n.width * n.channels;
}
size_t logitsLength(const Network& n) {
  return size_t{1} * n.batch * n.classes;
}
size_t activationsLength(const Network& n) {
  return activationFloats(n) * n.batch;
}

/** networkLogits(sizes, epsilon, versions, tensors, images, activations or null, logits) */
void networkLogitsBinding(const Arguments& a, EngineState& state) {
  const Network network = networkOf(a);
  networkLogits(network, a.floats(4, imagesLength(network)), a.optionalFloats(5, activationsLength(network)),
                a.floats(6, logitsLength(network)), state.threads, state.network);
}

/** networkInputGrad(sizes, epsilon, versions, tensors, activations, dLogits, dImages) */
void networkInputGradBinding(const Arguments& a, EngineState& state) {
  const Network network = networkOf(a);
  networkInputGrad(network, a.floats(4, activationsLength(network)), a.floats(5, logitsLength(network)),
                   a.floats(6, imagesLength(network)), state.threads, state.network);
}

}  // namespace

extern const NamedBinding networkBindings[] = {
    {"networkLogits", networkLogitsBinding},
    {"networkInputGrad", networkInputGradBinding},
};
extern const size_t networkBindingCount = sizeof(networkBindings) / sizeof(NamedBinding);

}  // namespace percept
