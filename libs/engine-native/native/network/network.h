#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "conv.h"

namespace percept {

/** The vectors of a batch normalisation in inference mode. */
struct NetworkNormalisation {
  const float *gamma, *beta, *mean, *variance;
};

/** A convolution's filter. The version changes with the values and is never used again: what was made of the filter is
 * kept under it. */
struct NetworkFilter {
  const float* values;
  uint64_t version;
};

/** conv2(relu(bn2(conv1(relu(bn1(x)))))) + shortcut(x); the shortcut's values are null where x itself is added. */
struct NetworkBlock {
  int inChannels, outChannels, stride;
  NetworkNormalisation firstNorm, secondNorm;
  NetworkFilter firstFilter, secondFilter, shortcut;
};

/**
 * A pre-activation residual network in inference mode: images scaled and shifted by channel, a 3x3 stem, blocks, a last
 * normalisation with relu, the mean over all pixels, a linear layer.
 */
struct Network {
  int batch, height, width, channels, stemChannels, classes;
  double epsilon;
  /** Of the blocks' filters as they are kept; the stem and the linear layer are float32. */
  conv::Precision precision;
  const float *pixelScale, *pixelShift;
  NetworkFilter stem;
  std::vector<NetworkBlock> blocks;
  NetworkNormalisation lastNorm;
  const float *weight, *bias;
};

/** What the network's calls keep from one to the next: scratch of every thread, and the filters of the last networks in
 * packed form. */
class NetworkMemory {
 public:
  /** One thread's own. */
  struct Lane {
    conv::Workspace workspace;
    conv::AlignedBuffer activations;
    std::vector<float> features;
  };
  /** The packed filters of one network in one direction: the stem's, and three to a block. */
  struct PackedNetwork {
    std::vector<conv::PackedFilter> filters;
    uint64_t stemVersion = 0;
    conv::Direction direction = conv::Direction::forward;
    conv::Precision precision = conv::Precision::float32;
    size_t floats = 0;
    uint64_t lastUse = 0;
  };

  Lane& lane(size_t index) { return lanes_[index]; }
  void ensureLanes(size_t count) {
    if (lanes_.size() < count) lanes_.resize(count);
  }
  /**
   * The packed filters of the network whose stem has this version, or room for them, to be packed anew: `filters` of
   * them that take up about `floats` floats in all. Those that were unused for longest make way, beyond kMostKept
   * networks or kMostFloats.
   */
  PackedNetwork& packed(uint64_t stemVersion, conv::Direction direction, conv::Precision precision, size_t filters,
                        size_t floats);
  std::vector<float>& affines() { return affines_; }
  /** Of all of it. */
  size_t bytes() const;

 private:
  static constexpr size_t kMostKept = 6;
  /** Both directions of a PreActResNet18 of width 64 fit, or both in bfloat16 and the forward one in float32. */
  static constexpr size_t kMostFloats = size_t{96} << 20;
  std::vector<Lane> lanes_;
  std::vector<PackedNetwork> packed_;
  std::vector<float> affines_;
  uint64_t uses_ = 0;
};

/** Whether every convolution of the network has a size that the kernels compute. */
bool supported(const Network& network);

/** Floats that one image's activations take, as networkLogits leaves them for networkInputGrad. */
size_t activationFloats(const Network& network);

/**
 * logits [batch, classes] of images [batch, height, width, channels]; `activations`, null or batch times
 * activationFloats, are kept there. An image's bits depend neither on its batch nor on the number of threads. Throws
 * std::bad_alloc.
 */
void networkLogits(const Network& network, const float* images, float* activations, float* logits, int threads,
                   NetworkMemory& memory);

/** dImages = the gradient of <logits, dLogits> by the images, from the activations that networkLogits kept of them. */
void networkInputGrad(const Network& network, const float* activations, const float* dLogits, float* dImages,
                      int threads, NetworkMemory& memory);

}  // namespace percept
