#include "onednn-convolution.h"

#if __has_include(<oneapi/dnnl/dnnl.hpp>)
#include <oneapi/dnnl/dnnl.hpp>
#else
#include <dnnl.hpp>
#endif

#include <map>
#include <string>
#include <utility>

namespace percept {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

constexpr size_t mostPlans = 256;

enum class Direction { kForward, kBackwardInput, kBackwardFilter };

/** One prepared convolution: activations stay NHWC, the filter is reordered into what oneDNN likes best. */
struct Plan {
  dnnl::primitive primitive;
  memory input, output;
  memory filter, plainFilter;
  bool reorders;
};

struct Geometry {
  memory::dims input, filter, output, strides, dilations, padBefore, padAfter;

  explicit Geometry(const ConvolutionShape& s)
      : input{s.batch, s.inChannels, s.height, s.width},
        filter{s.outChannels, s.inChannels, s.filterHeight, s.filterWidth},
        output{s.batch, s.outChannels, s.outHeight, s.outWidth},
        strides{s.strideHeight, s.strideWidth},
        dilations{s.dilationHeight - 1, s.dilationWidth - 1},
        padBefore{s.padTop, s.padLeft},
        padAfter{after(s.outHeight, s.strideHeight, s.filterHeight, s.dilationHeight, s.height, s.padTop),
                 after(s.outWidth, s.strideWidth, s.filterWidth, s.dilationWidth, s.width, s.padLeft)} {}

  static int after(int out, int stride, int filter, int dilation, int side, int before) {
    return (out - 1) * stride + (filter - 1) * dilation + 1 - side - before;
  }
};

memory::desc described(const memory::dims& dims, Tag tag) { return {dims, memory::data_type::f32, tag}; }

#if DNNL_VERSION_MAJOR >= 3
template <class Primitive, class... Rest>
typename Primitive::primitive_desc prepared(const dnnl::engine& engine, const Rest&... rest) {
  return typename Primitive::primitive_desc(engine, rest...);
}
template <class Primitive, class Hint, class... Rest>
typename Primitive::primitive_desc preparedBackward(const dnnl::engine& engine, const Hint& hint, const Rest&... rest) {
  return typename Primitive::primitive_desc(engine, rest..., hint);
}
#else
template <class Primitive, class... Rest>
typename Primitive::primitive_desc prepared(const dnnl::engine& engine, const Rest&... rest) {
  return typename Primitive::primitive_desc(typename Primitive::desc(rest...), engine);
}
template <class Primitive, class Hint, class... Rest>
typename Primitive::primitive_desc preparedBackward(const dnnl::engine& engine, const Hint& hint, const Rest&... rest) {
  return typename Primitive::primitive_desc(typename Primitive::desc(rest...), engine, hint);
}
#endif

}  // namespace

struct OneDnnConvolution::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::map<std::pair<int, std::array<int, 15>>, Plan> plans;

  Plan& plan(Direction direction, const ConvolutionShape& shape) {
    const auto key = std::make_pair(static_cast<int>(direction), shape.key());
    const auto found = plans.find(key);
    if (found != plans.end()) return found->second;
    if (plans.size() >= mostPlans) plans.clear();
    return plans.emplace(key, make(direction, shape)).first->second;
  }

  Plan make(Direction direction, const ConvolutionShape& shape) {
    const Geometry g(shape);
    const memory::desc input = described(g.input, Tag::nhwc);
    const memory::desc output = described(g.output, Tag::nhwc);
    const memory::desc filter = described(g.filter, Tag::any);
    const memory::desc plain = described(g.filter, Tag::hwio);
    const auto algorithm = dnnl::algorithm::convolution_direct;
    const auto forward =
        prepared<dnnl::convolution_forward>(engine, dnnl::prop_kind::forward_training, algorithm, input, filter, output,
                                            g.strides, g.dilations, g.padBefore, g.padAfter);
    switch (direction) {
      case Direction::kForward:
        return assemble(dnnl::convolution_forward(forward), input, output, forward.weights_desc(), plain);
      case Direction::kBackwardInput: {
        const auto description = preparedBackward<dnnl::convolution_backward_data>(
            engine, forward, algorithm, input, filter, output, g.strides, g.dilations, g.padBefore, g.padAfter);
        return assemble(dnnl::convolution_backward_data(description), input, output, description.weights_desc(), plain);
      }
      case Direction::kBackwardFilter:
        break;
    }
    const auto description = preparedBackward<dnnl::convolution_backward_weights>(
        engine, forward, algorithm, input, filter, output, g.strides, g.dilations, g.padBefore, g.padAfter);
    return assemble(dnnl::convolution_backward_weights(description), input, output, description.diff_weights_desc(),
                    plain);
  }

  Plan assemble(dnnl::primitive primitive, const memory::desc& input, const memory::desc& output,
                const memory::desc& filter, const memory::desc& plain) {
    const bool reorders = filter != plain;
    Plan plan{std::move(primitive), memory(input, engine, DNNL_MEMORY_NONE), memory(output, engine, DNNL_MEMORY_NONE),
              reorders ? memory(filter, engine) : memory(plain, engine, DNNL_MEMORY_NONE),
              memory(plain, engine, DNNL_MEMORY_NONE), reorders};
    return plan;
  }

  void run(Plan& plan, const float* input, const float* filter, const float* output, int inputArgument,
           int filterArgument, int outputArgument, bool filterIsResult) {
    plan.input.set_data_handle(const_cast<float*>(input));
    plan.output.set_data_handle(const_cast<float*>(output));
    plan.plainFilter.set_data_handle(const_cast<float*>(filter));
    if (!plan.reorders) plan.filter.set_data_handle(const_cast<float*>(filter));
    if (plan.reorders && !filterIsResult) {
      dnnl::reorder(plan.plainFilter, plan.filter).execute(stream, plan.plainFilter, plan.filter);
    }
    plan.primitive.execute(
        stream, {{inputArgument, plan.input}, {filterArgument, plan.filter}, {outputArgument, plan.output}});
    if (plan.reorders && filterIsResult) {
      dnnl::reorder(plan.filter, plan.plainFilter).execute(stream, plan.filter, plan.plainFilter);
    }
    stream.wait();
  }
};

OneDnnConvolution::OneDnnConvolution() : state_(std::make_unique<State>()) {}
OneDnnConvolution::~OneDnnConvolution() = default;

void OneDnnConvolution::forward(const ConvolutionShape& shape, const float* x, const float* filter, float* y) {
  state_->run(state_->plan(Direction::kForward, shape), x, filter, y, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST,
              false);
}

void OneDnnConvolution::backwardInput(const ConvolutionShape& shape, const float* dy, const float* filter, float* dx) {
  state_->run(state_->plan(Direction::kBackwardInput, shape), dx, filter, dy, DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS,
              DNNL_ARG_DIFF_DST, false);
}

void OneDnnConvolution::backwardFilter(const ConvolutionShape& shape, const float* x, const float* dy, float* dFilter) {
  state_->run(state_->plan(Direction::kBackwardFilter, shape), x, dFilter, dy, DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS,
              DNNL_ARG_DIFF_DST, true);
}

const char* oneDnnVersion() {
  static const std::string text = [] {
    const dnnl_version_t* version = dnnl_version();
    return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
  }();
  return text.c_str();
}

}  // namespace percept
