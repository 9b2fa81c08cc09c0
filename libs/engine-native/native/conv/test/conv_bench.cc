// Times the convolutions of PreActResNet18, beside oneDNN's on its own blocked layouts (reorders not
// counted), in interleaved rounds. Prints one JSON object a line for each layer and direction, with
// the best round of each in milliseconds: the machine may be shared.
//
//   conv_bench WIDTH BATCH THREADS ROUNDS
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "conv.h"

#ifdef CONV_BENCH_ONEDNN
#include <dnnl.hpp>
#endif

namespace {

using percept::conv::Conv2dShape;
using percept::conv::Direction;
using percept::conv::Options;
using percept::conv::PackedFilter;
using percept::conv::Workspace;

// A tensor at a cache line's boundary, as the engine allocates them.
class Floats {
 public:
  explicit Floats(size_t size) : buffer_(size), size_(size) {}
  float* data() const { return buffer_.data(); }
  float* begin() const { return buffer_.data(); }
  float* end() const { return buffer_.data() + size_; }
  size_t size() const { return size_; }

 private:
  percept::conv::AlignedBuffer buffer_;
  size_t size_;
};

struct Layer {
  Conv2dShape shape;
  int count;  // of such layers in the model
};

Layer layer(int batch, int size, int in_c, int out_c, int kernel, int stride, int count) {
  const int pad = (kernel - 1) / 2;
  const int out = (size + 2 * pad - kernel) / stride + 1;
  return {{batch, size, size, in_c, out, out, out_c, kernel, kernel, stride, stride, pad, pad, 1, 1},
          count};
}

std::vector<Layer> model_layers(int width, int batch) {
  std::vector<Layer> layers = {layer(batch, 32, 3, width, 3, 1, 1)};
  for (int stage = 0; stage < 4; ++stage) {
    const int channels = width << stage;
    const int size = 32 >> stage;
    layers.push_back(layer(batch, size, channels, channels, 3, 1, stage == 0 ? 4 : 3));
    if (stage == 3) break;
    layers.push_back(layer(batch, size, channels, 2 * channels, 3, 2, 1));
    layers.push_back(layer(batch, size, channels, 2 * channels, 1, 2, 1));
  }
  return layers;
}

Floats random_floats(size_t count) {
  static uint32_t state = 1;
  Floats values(count);
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / (1 << 23) - 1.0f;
  }
  return values;
}

using Run = std::function<void()>;

struct Contender {
  std::string name;
  Run run;
  std::vector<double> milliseconds;
};

double best_of(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

#ifdef CONV_BENCH_ONEDNN

using dnnl::memory;

// A run of oneDNN's convolution, or nothing where it has no such implementation.
Run onednn_run(const Conv2dShape& s, Direction direction, dnnl::algorithm algorithm) {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  static dnnl::stream stream(engine);
  const auto any = memory::format_tag::any;
  const auto f32 = memory::data_type::f32;
  const memory::desc x({s.batch, s.in_c, s.in_h, s.in_w}, f32, any);
  const memory::desc w({s.out_c, s.in_c, s.kernel_h, s.kernel_w}, f32, any);
  const memory::desc y({s.batch, s.out_c, s.out_h, s.out_w}, f32, any);
  const memory::dims strides = {s.stride_h, s.stride_w};
  const memory::dims begin = {s.pad_top, s.pad_left};
  const memory::dims end = {
      (s.out_h - 1) * s.stride_h + s.kernel_h - s.in_h - s.pad_top,
      (s.out_w - 1) * s.stride_w + s.kernel_w - s.in_w - s.pad_left};
  try {
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, algorithm, x, w, y, strides, begin, end}, engine);
    dnnl::primitive primitive;
    memory::desc descs[3];
    int names[3];
    if (direction == Direction::forward) {
      primitive = dnnl::convolution_forward(forward);
      descs[0] = forward.src_desc(), descs[1] = forward.weights_desc();
      descs[2] = forward.dst_desc();
      names[0] = DNNL_ARG_SRC, names[1] = DNNL_ARG_WEIGHTS, names[2] = DNNL_ARG_DST;
    } else if (direction == Direction::backward_input) {
      const dnnl::convolution_backward_data::primitive_desc desc(
          {algorithm, x, w, y, strides, begin, end}, engine, forward);
      primitive = dnnl::convolution_backward_data(desc);
      descs[0] = desc.diff_dst_desc(), descs[1] = desc.weights_desc();
      descs[2] = desc.diff_src_desc();
      names[0] = DNNL_ARG_DIFF_DST, names[1] = DNNL_ARG_WEIGHTS, names[2] = DNNL_ARG_DIFF_SRC;
    } else {
      const dnnl::convolution_backward_weights::primitive_desc desc(
          {algorithm, x, w, y, strides, begin, end}, engine, forward);
      primitive = dnnl::convolution_backward_weights(desc);
      descs[0] = desc.src_desc(), descs[1] = desc.diff_dst_desc();
      descs[2] = desc.diff_weights_desc();
      names[0] = DNNL_ARG_SRC, names[1] = DNNL_ARG_DIFF_DST, names[2] = DNNL_ARG_DIFF_WEIGHTS;
    }
    std::unordered_map<int, memory> arguments;
    for (int i = 0; i < 3; ++i) {
      memory m(descs[i], engine);
      float* data = static_cast<float*>(m.get_data_handle());
      std::fill(data, data + descs[i].get_size() / sizeof(float), 0.1f);
      arguments.emplace(names[i], m);
    }
    return [primitive, arguments]() mutable {
      primitive.execute(stream, arguments);
      stream.wait();
    };
  } catch (const dnnl::error&) {
    return nullptr;
  }
}

#endif

void bench(const Layer& layer, Direction direction, int threads, int rounds) {
  const Conv2dShape& s = layer.shape;
  static Workspace workspace;
  PackedFilter packed;
  const Floats x = random_floats(static_cast<size_t>(s.batch) * s.in_h * s.in_w * s.in_c);
  const Floats w =
      random_floats(static_cast<size_t>(s.kernel_h) * s.kernel_w * s.in_c * s.out_c);
  const Floats dy = random_floats(static_cast<size_t>(s.batch) * s.out_h * s.out_w * s.out_c);
  Floats result(std::max({x.size(), w.size(), dy.size()}));
  Options options;
  options.threads = threads;
  Options cached = options;
  cached.packed = &packed;
  cached.version = 1;
  const auto run = [&](const Options& chosen) {
    switch (direction) {
      case Direction::forward:
        percept::conv::forward(s, x.data(), w.data(), result.data(), workspace, chosen);
        break;
      case Direction::backward_input:
        percept::conv::backward_input(s, dy.data(), w.data(), result.data(), workspace, chosen);
        break;
      case Direction::backward_filter:
        percept::conv::backward_filter(s, x.data(), dy.data(), result.data(), workspace, chosen);
        break;
    }
  };
  std::vector<Contender> contenders;
  contenders.push_back({"own", [&] { run(options); }, {}});
  contenders.push_back({"own with the filter kept", [&] { run(cached); }, {}});
#ifdef CONV_BENCH_ONEDNN
  contenders.push_back(
      {"oneDNN direct", onednn_run(s, direction, dnnl::algorithm::convolution_direct), {}});
  contenders.push_back(
      {"oneDNN winograd", onednn_run(s, direction, dnnl::algorithm::convolution_winograd), {}});
#endif
  for (int round = -1; round < rounds; ++round) {
    for (Contender& contender : contenders) {
      if (!contender.run) continue;
      // The best of two: the first meets the caches as the neighbour left them.
      double best = 1e30;
      for (int repeat = 0; repeat < 2; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        contender.run();
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - start;
        best = std::min(best, took.count());
      }
      if (round >= 0) contender.milliseconds.push_back(best);
    }
  }
  const double flops = 2.0 * s.batch * s.out_h * s.out_w * s.out_c * s.in_c * s.kernel_h * s.kernel_w;
  const char* directions[] = {"forward", "backward_input", "backward_filter"};
  printf("{\"direction\":\"%s\",\"side\":%d,\"in\":%d,\"out\":%d,\"kernel\":%d,\"stride\":%d,\"count\":%d,"
         "\"plan\":\"%s\",\"gflop\":%.6f,\"milliseconds\":{",
         directions[static_cast<int>(direction)], s.in_h, s.in_c, s.out_c, s.kernel_h, s.stride_h, layer.count,
         percept::conv::plan_name(s, direction), flops * 1e-9);
  const char* separator = "";
  for (const Contender& contender : contenders) {
    if (contender.milliseconds.empty()) continue;
    printf("%s\"%s\":%.5f", separator, contender.name.c_str(), best_of(contender.milliseconds));
    separator = ",";
  }
  printf("}}\n");
  fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: conv_bench WIDTH BATCH THREADS ROUNDS\n");
    return 2;
  }
  const int threads = atoi(argv[3]);
  omp_set_num_threads(threads);  // oneDNN's number
  for (Direction direction :
       {Direction::forward, Direction::backward_input, Direction::backward_filter}) {
    for (const Layer& layer : model_layers(atoi(argv[1]), atoi(argv[2]))) {
      bench(layer, direction, threads, atoi(argv[4]));
    }
  }
  return 0;
}
