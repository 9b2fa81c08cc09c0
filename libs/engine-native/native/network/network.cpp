#include "network.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <new>

#include "packed.h"

namespace percept {
namespace {

/** A normalisation as the convolutions apply it: x scale + shift. */
struct Affine {
  const float *scale, *shift;
};

/** Where one activation lies: floats before it, and of it, for one image. */
struct Place {
  size_t offset, floats;
};

struct BlockPlan {
  conv::Conv2dShape first, second, shortcut;
  bool projects;
  Affine firstNorm, secondNorm;
  Place inner, y;
};

/** The network's sizes, offsets and normalisations, worked out once a call; shapes have a batch of 0. */
struct Plan {
  conv::Conv2dShape stem;
  Place stemOut;
  std::vector<BlockPlan> blocks;
  Affine lastNorm;
  size_t imageFloats, activationFloats, widestFloats;
  /** Of the filters as Winograd's transform packs them. */
  size_t filterFloats;
  int lastPixels, lastChannels;
  /** Images that go through the whole network together, on one thread; 0: all of them, layer by layer, on all threads.
   */
  int chunk;
};

/** Above so many floats of Winograd filters a network no longer stays in the cache while chunk after chunk goes through
 * it. */
constexpr size_t kMostChunkedFilterFloats = size_t{3} << 20;
/** Of a chunk's widest activation: three of them stay in a core's cache. */
constexpr size_t kChunkFloats = size_t{40} << 10;

conv::Conv2dShape convolutionOf(int height, int width, int in, int out, int kernel, int stride) {
  return {0,
          height,
          width,
          in,
          (height - 1) / stride + 1,
          (width - 1) / stride + 1,
          out,
          kernel,
          kernel,
          stride,
          stride,
          kernel / 2,
          kernel / 2,
          1,
          1};
}

size_t outFloats(const conv::Conv2dShape& s) {
  return size_t{1} * s.out_h * s.out_w * s.out_c;
}

Plan geometryOf(const Network& network) {
  Plan plan{};
  int height = network.height, width = network.width, channels = network.stemChannels;
  size_t next = 0;
  const auto place = [&](size_t floats) {
    const Place result{next, floats};
    next += floats;
    plan.widestFloats = std::max(plan.widestFloats, floats);
    return result;
  };
  plan.stem = convolutionOf(height, width, network.channels, channels, 3, 1);
  plan.stemOut = place(outFloats(plan.stem));
  for (const NetworkBlock& block : network.blocks) {
    BlockPlan b{};
    const int in = block.inChannels, out = block.outChannels;
    b.projects = block.shortcut.values != nullptr;
    b.first = convolutionOf(height, width, in, out, 3, block.stride);
    b.shortcut = convolutionOf(height, width, in, out, 1, block.stride);
    height = b.first.out_h, width = b.first.out_w, channels = out;
    b.second = convolutionOf(height, width, out, out, 3, 1);
    b.inner = place(outFloats(b.first));
    b.y = place(outFloats(b.second));
    plan.filterFloats += size_t{36} * (in + out) * out;
    plan.blocks.push_back(b);
  }
  plan.imageFloats = size_t{1} * network.height * network.width * network.channels;
  plan.activationFloats = next;
  plan.lastPixels = height * width;
  plan.lastChannels = channels;
  if (plan.filterFloats <= kMostChunkedFilterFloats) {
    plan.chunk = std::max(1, static_cast<int>(kChunkFloats / plan.widestFloats));
  }
  return plan;
}

/** Fills in the normalisations, whose vectors lie in `affines`. */
Plan planOf(const Network& network, std::vector<float>& affines) {
  Plan plan = geometryOf(network);
  size_t floats = 2 * static_cast<size_t>(plan.lastChannels);
  for (const NetworkBlock& block : network.blocks)
    floats += 2 * static_cast<size_t>(block.inChannels + block.outChannels);
  if (affines.size() < floats) affines.resize(floats);
  float* next = affines.data();
  const auto affineOf = [&](const NetworkNormalisation& norm, int channels) {
    float *scale = next, *shift = next + channels;
    next += 2 * channels;
    for (int c = 0; c < channels; c++) {
      scale[c] = static_cast<float>(norm.gamma[c] / std::sqrt(norm.variance[c] + network.epsilon));
      shift[c] = norm.beta[c] - norm.mean[c] * scale[c];
    }
    return Affine{scale, shift};
  };
  for (size_t i = 0; i < plan.blocks.size(); i++) {
    const NetworkBlock& block = network.blocks[i];
    plan.blocks[i].firstNorm = affineOf(block.firstNorm, block.inChannels);
    plan.blocks[i].secondNorm = affineOf(block.secondNorm, block.outChannels);
  }
  plan.lastNorm = affineOf(network.lastNorm, plan.lastChannels);
  return plan;
}

/** The stem backwards in one pass: its filter scaled by the pixels' scale, so that the gradient is that of the raw
 * pixels. */
std::vector<float> scaledStem(const Network& network) {
  std::vector<float> scaled(size_t{9} * network.channels * network.stemChannels);
  for (size_t i = 0; i < scaled.size(); i++) {
    const size_t channel = i / network.stemChannels % network.channels;
    scaled[i] = network.stem.values[i] * network.pixelScale[channel];
  }
  return scaled;
}

/** One convolution of the network: its filter, and where its packed form is, or null. */
struct Layer {
  const float* filter;
  conv::PackedFilter* packed;
  uint64_t version;
  conv::Precision precision;
};

/** The convolutions of one direction: the stem's, then each block's first, second and shortcut. */
std::vector<Layer> layersOf(const Network& network, const Plan& plan, const float* stem, conv::Direction direction,
                            int threads, NetworkMemory& memory) {
  std::vector<Layer> layers;
  std::vector<const conv::Conv2dShape*> shapes;
  layers.push_back({stem, nullptr, network.stem.version, conv::Precision::float32});
  shapes.push_back(&plan.stem);
  for (size_t i = 0; i < plan.blocks.size(); i++) {
    const NetworkBlock& block = network.blocks[i];
    const BlockPlan& b = plan.blocks[i];
    for (const NetworkFilter& filter : {block.firstFilter, block.secondFilter, block.shortcut}) {
      layers.push_back({filter.values, nullptr, filter.version, network.precision});
    }
    shapes.insert(shapes.end(), {&b.first, &b.second, &b.shortcut});
  }
  NetworkMemory::PackedNetwork& packed =
      memory.packed(network.stem.version, direction, network.precision, layers.size(),
                    conv::packed_floats(plan.filterFloats, network.precision));
  // All but the stem, which is small, and in the backward direction another one with each scale of the pixels.
  for (size_t i = 1; i < layers.size(); i++) {
    if (layers[i].filter == nullptr) continue;
    layers[i].packed = &packed.filters[i];
    conv::pack(*shapes[i], direction, layers[i].filter, packed.filters[i], layers[i].version, layers[i].precision,
               memory.lane(0).workspace, threads);
  }
  return layers;
}

/** One chunk's images on their way through the network. */
struct Passage {
  const Network& network;
  const Plan& plan;
  const std::vector<Layer>& layers;
  int first, images, threads;
  NetworkMemory::Lane& lane;

  conv::Conv2dShape shape(conv::Conv2dShape of) const {
    of.batch = images;
    return of;
  }
  conv::Options options(const Layer& layer) const {
    conv::Options options;
    options.threads = threads;
    options.packed = layer.packed;
    options.version = layer.version;
    options.precision = layer.precision;
    return options;
  }
  float* scratch(size_t buffer) const { return lane.activations.data() + buffer * plan.widestFloats * images; }
  /** The chunk's part of an activation that is kept for the whole batch. */
  template <class Float>
  Float* kept(Float* activations, const Place& place) const {
    return activations + place.offset * network.batch + place.floats * first;
  }
};

/** The last normalisation, relu, mean and linear layer. */
void headForward(const Passage& p, const float* x, float* logits) {
  const int channels = p.plan.lastChannels, pixels = p.plan.lastPixels, classes = p.network.classes;
  const float *scale = p.plan.lastNorm.scale, *shift = p.plan.lastNorm.shift;
  float* features = p.lane.features.data();
  for (int image = 0; image < p.images; image++) {
    std::fill(features, features + channels, 0.0f);
    for (int pixel = 0; pixel < pixels; pixel++, x += channels) {
      for (int c = 0; c < channels; c++) {
        const float v = x[c] * scale[c] + shift[c];
        features[c] += v < 0.0f ? 0.0f : v;
      }
    }
    float* out = logits + static_cast<size_t>(image) * classes;
    std::copy(p.network.bias, p.network.bias + classes, out);
    for (int c = 0; c < channels; c++) {
      const float feature = features[c] / static_cast<float>(pixels);
      const float* row = p.network.weight + static_cast<size_t>(c) * classes;
      for (int k = 0; k < classes; k++) out[k] += feature * row[k];
    }
  }
}

/** dx of headForward. */
void headBackward(const Passage& p, const float* x, const float* dLogits, float* dx) {
  const int channels = p.plan.lastChannels, pixels = p.plan.lastPixels, classes = p.network.classes;
  const float *scale = p.plan.lastNorm.scale, *shift = p.plan.lastNorm.shift;
  float* factors = p.lane.features.data();
  for (int image = 0; image < p.images; image++) {
    const float* of = dLogits + static_cast<size_t>(image) * classes;
    for (int c = 0; c < channels; c++) {
      const float* row = p.network.weight + static_cast<size_t>(c) * classes;
      float sum = 0.0f;
      for (int k = 0; k < classes; k++) sum += of[k] * row[k];
      factors[c] = sum / static_cast<float>(pixels) * scale[c];
    }
    for (int pixel = 0; pixel < pixels; pixel++, x += channels, dx += channels) {
      for (int c = 0; c < channels; c++) dx[c] = x[c] * scale[c] + shift[c] > 0.0f ? factors[c] : 0.0f;
    }
  }
}

/** `activations`: the batch's, or null where nothing is kept and three buffers take turns. */
void chunkForward(const Passage& p, const float* images, float* activations, float* logits) {
  const auto at = [&](const Place& place, size_t buffer) {
    return activations ? p.kept(activations, place) : p.scratch(buffer);
  };
  conv::Workspace& workspace = p.lane.workspace;
  float* x = at(p.plan.stemOut, 0);
  conv::Options stem = p.options(p.layers[0]);
  stem.prologue = {p.network.pixelScale, p.network.pixelShift, false};
  conv::forward(p.shape(p.plan.stem), images + p.plan.imageFloats * p.first, p.layers[0].filter, x, workspace, stem);
  for (size_t i = 0; i < p.plan.blocks.size(); i++) {
    const BlockPlan& block = p.plan.blocks[i];
    const Layer* layers = &p.layers[1 + 3 * i];
    float* inner = at(block.inner, 1);
    float* y = at(block.y, i % 2 == 0 ? 2 : 0);
    conv::Options first = p.options(layers[0]);
    first.prologue = {block.firstNorm.scale, block.firstNorm.shift, true};
    conv::forward(p.shape(block.first), x, layers[0].filter, inner, workspace, first);
    if (block.projects) {
      conv::forward(p.shape(block.shortcut), x, layers[2].filter, y, workspace, p.options(layers[2]));
    }
    conv::Options second = p.options(layers[1]);
    second.prologue = {block.secondNorm.scale, block.secondNorm.shift, true};
    second.epilogue.add = block.projects ? y : x;
    conv::forward(p.shape(block.second), inner, layers[1].filter, y, workspace, second);
    x = y;
  }
  headForward(p, x, logits + static_cast<size_t>(p.first) * p.network.classes);
}

void chunkBackward(const Passage& p, const float* activations, const float* dLogits, float* dImages) {
  const auto at = [&](const Place& place) { return p.kept(activations, place); };
  const auto gated = [&](const Layer& layer, const float* gate, const Affine& affine, const float* add) {
    conv::Options options = p.options(layer);
    options.epilogue = {add, gate, affine.scale, affine.shift};
    return options;
  };
  conv::Workspace& workspace = p.lane.workspace;
  const std::vector<BlockPlan>& blocks = p.plan.blocks;
  const auto inputOf = [&](size_t i) { return at(i == 0 ? p.plan.stemOut : blocks[i - 1].y); };
  float *dy = p.scratch(0), *dx = p.scratch(2);
  headBackward(p, inputOf(blocks.size()), dLogits + static_cast<size_t>(p.first) * p.network.classes, dy);
  for (size_t i = blocks.size(); i-- > 0;) {
    const BlockPlan& block = blocks[i];
    const Layer* layers = &p.layers[1 + 3 * i];
    float* dInner = p.scratch(1);
    conv::backward_input(p.shape(block.second), dy, layers[1].filter, dInner, workspace,
                         gated(layers[1], at(block.inner), block.secondNorm, nullptr));
    if (block.projects) {
      conv::backward_input(p.shape(block.shortcut), dy, layers[2].filter, dx, workspace, p.options(layers[2]));
    }
    conv::backward_input(p.shape(block.first), dInner, layers[0].filter, dx, workspace,
                         gated(layers[0], inputOf(i), block.firstNorm, block.projects ? dx : dy));
    std::swap(dx, dy);
  }
  conv::backward_input(p.shape(p.plan.stem), dy, p.layers[0].filter, dImages + p.plan.imageFloats * p.first, workspace,
                       p.options(p.layers[0]));
}

/** Runs pass(passage) for every chunk of the batch; with `scratch`, each has three buffers as large as its widest
 * activation. */
template <class Pass>
void overChunks(const Network& network, const Plan& plan, const std::vector<Layer>& layers, bool scratch, int threads,
                NetworkMemory& memory, const Pass& pass) {
  int count = 1;
  if (plan.chunk > 0) {
    count = (network.batch + plan.chunk - 1) / plan.chunk;
    count = std::min(network.batch, (count + threads - 1) / threads * threads);
  }
  const int most = (network.batch + count - 1) / count;
  const int team = std::min(threads, count);
  std::atomic<bool> failed{false};
  const auto run = [&](int chunk) {
    try {
      NetworkMemory::Lane& lane = memory.lane(static_cast<size_t>(omp_get_thread_num()));
      const size_t floats = scratch ? 3 * plan.widestFloats * most : 0;
      if (lane.activations.capacity() < floats) lane.activations = conv::AlignedBuffer(floats);
      lane.features.resize(static_cast<size_t>(plan.lastChannels));
      const int first = static_cast<int>(int64_t{1} * network.batch * chunk / count);
      const int images = static_cast<int>(int64_t{1} * network.batch * (chunk + 1) / count) - first;
      pass(Passage{network, plan, layers, first, images, plan.chunk > 0 ? 1 : threads, lane});
    } catch (const std::bad_alloc&) {
      failed = true;
    }
  };
  if (team <= 1) {
    for (int chunk = 0; chunk < count; chunk++) run(chunk);
  } else {
#pragma omp parallel for schedule(dynamic, 1) num_threads(team)
    for (int chunk = 0; chunk < count; chunk++) run(chunk);
  }
  if (failed) throw std::bad_alloc();
}

}  // namespace

NetworkMemory::PackedNetwork& NetworkMemory::packed(uint64_t stemVersion, conv::Direction direction,
                                                    conv::Precision precision, size_t filters, size_t floats) {
  size_t total = floats;
  for (PackedNetwork& kept : packed_) {
    if (kept.stemVersion == stemVersion && kept.direction == direction && kept.precision == precision &&
        kept.filters.size() == filters) {
      kept.lastUse = ++uses_;
      return kept;
    }
    total += kept.floats;
  }
  PackedNetwork fresh;
  while (!packed_.empty() && (packed_.size() == kMostKept || total > kMostFloats)) {
    const auto older = [](const PackedNetwork& a, const PackedNetwork& b) { return a.lastUse < b.lastUse; };
    const auto oldest = std::min_element(packed_.begin(), packed_.end(), older);
    total -= oldest->floats;
    // Its buffers serve again where they are large enough, and no larger than need be.
    if (oldest->filters.size() == filters && oldest->precision == precision) fresh.filters = std::move(oldest->filters);
    packed_.erase(oldest);
  }
  fresh.filters.resize(filters);
  fresh.stemVersion = stemVersion;
  fresh.direction = direction;
  fresh.precision = precision;
  fresh.floats = floats;
  fresh.lastUse = ++uses_;
  packed_.push_back(std::move(fresh));
  return packed_.back();
}

size_t NetworkMemory::bytes() const {
  size_t bytes = affines_.capacity() * sizeof(float);
  for (const Lane& lane : lanes_) {
    bytes += lane.workspace.bytes() + (lane.activations.capacity() + lane.features.capacity()) * sizeof(float);
  }
  for (const PackedNetwork& kept : packed_) {
    for (const conv::PackedFilter& filter : kept.filters) bytes += filter.bytes();
  }
  return bytes;
}

bool supported(const Network& network) {
  const Plan plan = geometryOf(network);
  const auto fits = [&](conv::Conv2dShape shape) {
    shape.batch = network.batch;
    return conv::supported(shape);
  };
  return fits(plan.stem) && std::all_of(plan.blocks.begin(), plan.blocks.end(), [&](const BlockPlan& block) {
           return fits(block.first) && fits(block.second) && fits(block.shortcut);
         });
}

size_t activationFloats(const Network& network) {
  return geometryOf(network).activationFloats;
}

void networkLogits(const Network& network, const float* images, float* activations, float* logits, int threads,
                   NetworkMemory& memory) {
  memory.ensureLanes(static_cast<size_t>(threads));
  const Plan plan = planOf(network, memory.affines());
  const std::vector<Layer> layers =
      layersOf(network, plan, network.stem.values, conv::Direction::forward, threads, memory);
  overChunks(network, plan, layers, activations == nullptr, threads, memory,
             [&](const Passage& passage) { chunkForward(passage, images, activations, logits); });
}

void networkInputGrad(const Network& network, const float* activations, const float* dLogits, float* dImages,
                      int threads, NetworkMemory& memory) {
  memory.ensureLanes(static_cast<size_t>(threads));
  const Plan plan = planOf(network, memory.affines());
  const std::vector<float> stem = scaledStem(network);
  const std::vector<Layer> layers =
      layersOf(network, plan, stem.data(), conv::Direction::backward_input, threads, memory);
  overChunks(network, plan, layers, true, threads, memory,
             [&](const Passage& passage) { chunkBackward(passage, activations, dLogits, dImages); });
}

}  // namespace percept
