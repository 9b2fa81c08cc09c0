// Checks a whole network's logits and input gradient against a float64 reference and its differences, and the promises
// about bits. Prints "N passed, N failed"; returns 1 when a check fails.
#include "checks.h"
#include "network.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace {

using percept::Network;
using percept::NetworkBlock;
using percept::NetworkFilter;
using percept::NetworkMemory;
using percept::NetworkNormalisation;
using percept::conv::Isa;
namespace conv = percept::conv;

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

/** A network with random tensors, which it owns. */
class RandomNetwork {
 public:
  struct BlockSizes {
    int outChannels, stride;
  };

  RandomNetwork(const RandomNetwork&) = delete;
  RandomNetwork(int batch, int side, int channels, int stemChannels, const std::vector<BlockSizes>& blocks)
      : generator_(7) {
    network.batch = batch, network.height = side, network.width = side + 1, network.channels = channels;
    network.stemChannels = stemChannels, network.classes = 5, network.epsilon = 1e-5;
    network.pixelScale = tensor(channels, 1.0f, 0.2f);
    network.pixelShift = tensor(channels, 0.0f, 0.5f);
    network.stem = filter(9 * channels, stemChannels);
    int in = stemChannels;
    for (const auto& [out, stride] : blocks) {
      NetworkBlock block{};
      block.inChannels = in, block.outChannels = out, block.stride = stride;
      block.firstNorm = normalisation(in);
      block.firstFilter = filter(9 * in, out);
      block.secondNorm = normalisation(out);
      block.secondFilter = filter(9 * out, out);
      if (in != out || stride != 1) block.shortcut = filter(in, out);
      network.blocks.push_back(block);
      in = out;
    }
    network.lastNorm = normalisation(in);
    network.weight = tensor(static_cast<size_t>(in) * network.classes, 0.0f, 1.0f / std::sqrt(static_cast<float>(in)));
    network.bias = tensor(network.classes, 0.0f, 0.1f);
    images = floats(imageSize() * batch, 0.5f, 0.3f);
    dLogits = floats(static_cast<size_t>(network.classes) * batch, 0.0f, 1.0f);
  }

  size_t imageSize() const { return static_cast<size_t>(network.height) * network.width * network.channels; }

  Network network{};
  Floats images, dLogits;

 private:
  Floats floats(size_t count, float mean, float deviation) {
    std::normal_distribution<float> normal(mean, deviation);
    Floats values(count);
    for (float& value : values) value = normal(generator_);
    return values;
  }
  const float* tensor(size_t count, float mean, float deviation) {
    tensors_.push_back(floats(count, mean, deviation));
    return tensors_.back().data();
  }
  NetworkFilter filter(int fanIn, int out) {
    const float* values = tensor(static_cast<size_t>(fanIn) * out, 0.0f, 1.0f / std::sqrt(static_cast<float>(fanIn)));
    return {values, ++versions_};
  }
  NetworkNormalisation normalisation(int channels) {
    float* variance = const_cast<float*>(tensor(channels, 0.0f, 0.3f));
    for (int c = 0; c < channels; c++) variance[c] = 1.0f + std::abs(variance[c]);
    const float* gamma = tensor(channels, 1.0f, 0.3f);
    const float* beta = tensor(channels, 0.0f, 0.3f);
    return {gamma, beta, tensor(channels, 0.0f, 0.3f), variance};
  }

  std::mt19937 generator_;
  std::deque<Floats> tensors_;
  uint64_t versions_ = 0;
};

struct Activation {
  int height, width, channels;
  Doubles values;
};

Activation convolved(const Activation& x, const float* filter, int out, int kernel, int stride) {
  const int pad = kernel / 2;
  Activation y{(x.height - 1) / stride + 1, (x.width - 1) / stride + 1, out, {}};
  y.values.assign(static_cast<size_t>(y.height) * y.width * out, 0.0);
  for (int row = 0; row < y.height; row++) {
    for (int column = 0; column < y.width; column++) {
      double* of = y.values.data() + (static_cast<size_t>(row) * y.width + column) * out;
      for (int i = 0; i < kernel * kernel; i++) {
        const int r = row * stride + i / kernel - pad, c = column * stride + i % kernel - pad;
        if (r < 0 || c < 0 || r >= x.height || c >= x.width) continue;
        const double* in = x.values.data() + (static_cast<size_t>(r) * x.width + c) * x.channels;
        const float* w = filter + static_cast<size_t>(i) * x.channels * out;
        for (int from = 0; from < x.channels; from++) {
          for (int to = 0; to < out; to++) of[to] += in[from] * w[static_cast<size_t>(from) * out + to];
        }
      }
    }
  }
  return y;
}

Activation normalisedRelu(Activation x, const NetworkNormalisation& norm, double epsilon) {
  for (size_t i = 0; i < x.values.size(); i++) {
    const size_t c = i % x.channels;
    const double v =
        (x.values[i] - norm.mean[c]) / std::sqrt(norm.variance[c] + epsilon) * norm.gamma[c] + norm.beta[c];
    x.values[i] = std::max(v, 0.0);
  }
  return x;
}

/** The logits of one image in float64. */
Doubles referenceLogits(const Network& n, const Doubles& image) {
  Activation x{n.height, n.width, n.channels, image};
  for (size_t i = 0; i < image.size(); i++) {
    x.values[i] = image[i] * n.pixelScale[i % n.channels] + n.pixelShift[i % n.channels];
  }
  x = convolved(x, n.stem.values, n.stemChannels, 3, 1);
  for (const NetworkBlock& block : n.blocks) {
    const int out = block.outChannels;
    Activation y =
        convolved(normalisedRelu(x, block.firstNorm, n.epsilon), block.firstFilter.values, out, 3, block.stride);
    y = convolved(normalisedRelu(y, block.secondNorm, n.epsilon), block.secondFilter.values, out, 3, 1);
    const Activation shortcut = block.shortcut.values ? convolved(x, block.shortcut.values, out, 1, block.stride) : x;
    for (size_t i = 0; i < y.values.size(); i++) y.values[i] += shortcut.values[i];
    x = y;
  }
  x = normalisedRelu(x, n.lastNorm, n.epsilon);
  Doubles logits(n.bias, n.bias + n.classes);
  for (size_t i = 0; i < x.values.size(); i++) {
    const size_t c = i % x.channels;
    const double share = x.values[i] / (x.height * x.width);
    for (int k = 0; k < n.classes; k++) logits[k] += share * n.weight[c * n.classes + k];
  }
  return logits;
}

struct Result {
  Floats logits, dImages;
};

Result compute(const Network& n, const float* images, const float* dLogits, int threads, NetworkMemory& memory) {
  const size_t pixels = static_cast<size_t>(n.batch) * n.height * n.width * n.channels;
  Floats activations(percept::activationFloats(n) * n.batch);
  Result result{Floats(static_cast<size_t>(n.batch) * n.classes), Floats(pixels)};
  percept::networkLogits(n, images, activations.data(), result.logits.data(), threads, memory);
  percept::networkInputGrad(n, activations.data(), dLogits, result.dImages.data(), threads, memory);
  return result;
}

Result compute(const RandomNetwork& of, int threads, NetworkMemory& memory) {
  return compute(of.network, of.images.data(), of.dLogits.data(), threads, memory);
}

void checkValues(const RandomNetwork& of, const std::string& name) {
  const Network& n = of.network;
  NetworkMemory memory;
  const Result result = compute(of, 2, memory);
  double worstLogit = 0.0, largestLogit = 0.0, worstSlope = 0.0, largestSlope = 0.0;
  std::mt19937 generator(11);
  std::normal_distribution<double> normal;
  for (int image = 0; image < n.batch; image++) {
    const float* pixels = of.images.data() + of.imageSize() * image;
    const Doubles exact(pixels, pixels + of.imageSize());
    const Doubles logits = referenceLogits(n, exact);
    Doubles direction(exact.size());
    double slope = 0.0;
    for (size_t i = 0; i < direction.size(); i++) {
      direction[i] = normal(generator);
      slope += direction[i] * result.dImages[of.imageSize() * image + i];
    }
    const double h = 1e-7;
    Doubles ahead = exact, behind = exact;
    for (size_t i = 0; i < direction.size(); i++) ahead[i] += h * direction[i], behind[i] -= h * direction[i];
    const Doubles up = referenceLogits(n, ahead), down = referenceLogits(n, behind);
    double expected = 0.0;
    for (int k = 0; k < n.classes; k++) {
      expected += (up[k] - down[k]) / (2 * h) * of.dLogits[static_cast<size_t>(image) * n.classes + k];
      worstLogit =
          std::max(worstLogit, std::abs(logits[k] - result.logits[static_cast<size_t>(image) * n.classes + k]));
      largestLogit = std::max(largestLogit, std::abs(logits[k]));
    }
    worstSlope = std::max(worstSlope, std::abs(slope - expected));
    largestSlope = std::max(largestSlope, std::abs(expected));
  }
  char figures[100];
  snprintf(figures, sizeof figures, " (logits %.1e of %.2g, slopes %.1e of %.2g)", worstLogit, largestLogit, worstSlope,
           largestSlope);
  check(worstLogit <= 1e-4 * largestLogit, name + ": logits" + figures);
  check(worstSlope <= 1e-3 * largestSlope, name + ": input gradient" + figures);
}

void checkBits(const RandomNetwork& of, conv::Precision precision, const std::string& name) {
  Network n = of.network;
  n.precision = precision;
  NetworkMemory memory;
  const auto computed = [&](int threads) {
    return compute(n, of.images.data(), of.dLogits.data(), threads, memory);
  };
  const Result whole = computed(2);
  const auto same = [](const Floats& a, const Floats& b) {
    return a.size() == b.size() && memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  };
  for (int threads : {1, 3}) {
    const Result again = computed(threads);
    check(same(whole.logits, again.logits) && same(whole.dImages, again.dImages),
          name + ": the same bits on " + std::to_string(threads) + " threads");
  }
  Floats alone(whole.logits.size());
  percept::networkLogits(n, of.images.data(), nullptr, alone.data(), 2, memory);
  check(same(whole.logits, alone), name + ": the same logits where no activations are kept");
  Network last = n;
  last.batch = 1;
  const size_t before = static_cast<size_t>(n.batch) - 1;
  const Result single =
      compute(last, of.images.data() + before * of.imageSize(), of.dLogits.data() + before * n.classes, 2, memory);
  check(memcmp(single.logits.data(), whole.logits.data() + before * n.classes, n.classes * sizeof(float)) == 0 &&
            memcmp(single.dImages.data(), whole.dImages.data() + before * of.imageSize(),
                   of.imageSize() * sizeof(float)) == 0,
        name + ": an image's bits are the same alone");
}

/** The memory keeps both precisions of one network apart; the coarser one is near the finer, and another. */
void checkPrecisions(const RandomNetwork& of, const std::string& name) {
  NetworkMemory memory;
  Network coarse = of.network;
  coarse.precision = conv::Precision::bfloat16;
  const Result fine = compute(of, 2, memory);
  const Result rounded = compute(coarse, of.images.data(), of.dLogits.data(), 2, memory);
  const Result again = compute(of, 2, memory);
  check(fine.logits == again.logits && fine.dImages == again.dImages, name + ": float32 after bfloat16");
  const auto distance = [](const Floats& a, const Floats& b) {
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < a.size(); i++) {
      worst = std::max(worst, std::abs(double{a[i]} - b[i]));
      largest = std::max(largest, std::abs(double{a[i]}));
    }
    return worst / largest;
  };
  const double logits = distance(fine.logits, rounded.logits), gradients = distance(fine.dImages, rounded.dImages);
  char figures[80];
  snprintf(figures, sizeof figures, " (logits %.1e, input gradient %.1e)", logits, gradients);
  check(logits > 0 && logits < 1.0 / 64 && gradients > 0 && gradients < 1.0 / 8, name + ": bfloat16" + figures);
}

/** More networks than the memory keeps packed filters of, and one filter's values changed under a new version. */
void checkVersions() {
  NetworkMemory memory;
  std::vector<Floats> first;
  for (int round = 0; round < 2; round++) {
    for (int width = 1; width <= 8; width++) {
      RandomNetwork of(2, 6, 1, width, {{width, 1}});
      // The versions of different networks are never the same.
      of.network.stem.version += 100 * static_cast<uint64_t>(width);
      of.network.blocks[0].firstFilter.version += 100 * static_cast<uint64_t>(width);
      of.network.blocks[0].secondFilter.version += 100 * static_cast<uint64_t>(width);
      const Floats logits = compute(of, 1, memory).logits;
      if (round == 0) {
        first.push_back(logits);
      } else {
        check(logits == first[static_cast<size_t>(width) - 1], "a network's logits after others took its place");
      }
    }
  }
  RandomNetwork of(2, 6, 1, 4, {{4, 1}});
  const Floats before = compute(of, 1, memory).logits;
  RandomNetwork other(2, 6, 1, 4, {{4, 1}});
  Floats changed(other.network.blocks[0].firstFilter.values, other.network.blocks[0].firstFilter.values + 9 * 4 * 4);
  for (float& value : changed) value = -value;
  other.network.blocks[0].firstFilter = {changed.data(), 1000};
  check(compute(other, 1, memory).logits != before, "changed values under a new version are used");
}

}  // namespace

int main() {
  const RandomNetwork narrow(7, 12, 3, 8, {{8, 1}, {16, 2}, {16, 1}});
  const RandomNetwork odd(5, 7, 1, 3, {{3, 1}, {5, 2}, {9, 2}});
  const RandomNetwork withoutBlocks(2, 3, 1, 4, {});
  const RandomNetwork wide(3, 4, 3, 200, {{240, 2}});
  const std::vector<std::pair<std::string, const RandomNetwork*>> networks = {
      {"narrow", &narrow},
      {"one channel and odd sides", &odd},
      {"no blocks", &withoutBlocks},
      {"too many filters to go through in chunks", &wide},
  };
  const Isa best = percept::conv::active_isa();
  for (Isa isa : {Isa::avx512, Isa::avx2, Isa::portable}) {
    if (isa > best) continue;
    percept::conv::limit_isa(isa);
    const std::string suffix = isa == Isa::avx512 ? " [avx512]" : isa == Isa::avx2 ? " [avx2]" : " [portable]";
    for (const auto& [name, network] : networks) {
      checkValues(*network, name + suffix);
      checkBits(*network, conv::Precision::float32, name + suffix);
      checkBits(*network, conv::Precision::bfloat16, name + suffix + " bfloat16");
      if (!network->network.blocks.empty()) checkPrecisions(*network, name + suffix);
    }
    checkVersions();
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
