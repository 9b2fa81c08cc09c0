#include "conv.h"

#include <climits>

#include "direct.h"
#include "packed.h"
#include "planar.h"
#include "winograd.h"

namespace percept::conv {

namespace {

Isa detect_isa() {
#ifdef PERCEPT_CONV_EMULATED_AVX512
  return Isa::avx512;
#elif defined(PERCEPT_CONV_X86)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return Isa::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::portable;
}

Isa& current_isa() {
  static Isa isa = detect_isa();
  return isa;
}

const DirectKernels& direct_kernels() {
#ifdef PERCEPT_CONV_X86
  switch (current_isa()) {
    case Isa::avx512:
      return direct_kernels_avx512();
    case Isa::avx2:
      return direct_kernels_avx2();
    case Isa::portable:
      break;
  }
#endif
  return direct_kernels_portable();
}

int at_least_one(int threads) { return threads < 1 ? 1 : threads; }

// Returns the packed filter, from the caller's cache where that is current. `pack` writes it.
template <class Pack>
PackedView packed_for(const Conv2dShape& shape, Direction direction, size_t elements,
                      Precision precision, Workspace& workspace, const Options& options,
                      const Pack& pack) {
  PackedFilter* cache = options.packed;
  const Isa isa = current_isa();
  if (cache && cache->matches(shape, direction, isa, precision, options.version)) {
    return {cache->data(), precision};
  }
  const size_t floats = packed_floats(elements, precision);
  void* packed = cache ? cache->renew(shape, direction, isa, precision, options.version, floats)
                       : workspace.take(floats);
  pack(packed);
  return {packed, precision};
}

#ifdef PERCEPT_CONV_X86
bool uses_winograd(const Conv2dShape& shape, Direction direction) {
  return winograd_serves(shape, direction, current_isa());
}

const WinogradKernels& winograd_kernels() {
  return current_isa() == Isa::avx512 ? winograd_kernels_avx512() : winograd_kernels_avx2();
}

WinogradProblem winograd_problem(const Conv2dShape& shape, Direction direction) {
  return direction == Direction::forward ? winograd_forward_problem(shape)
                                         : winograd_backward_input_problem(shape);
}

PackedView winograd_filter(const Conv2dShape& shape, Direction direction, const float* w,
                           Workspace& workspace, const Options& options) {
  const WinogradKernels& kernels = winograd_kernels();
  const WinogradProblem problem = winograd_problem(shape, direction);
  const Precision precision = options.precision;
  return packed_for(shape, direction, kernels.packed_elements(problem), precision, workspace,
                    options, [&](void* out) {
                      kernels.pack(problem, w, precision, out, at_least_one(options.threads));
                    });
}

void run_winograd(const Conv2dShape& shape, Direction direction, const float* src, const float* w,
                  float* dst, const Prologue& prologue, Workspace& workspace,
                  const Options& options) {
  const PackedView packed = winograd_filter(shape, direction, w, workspace, options);
  winograd_kernels().convolve(winograd_problem(shape, direction), src, packed, dst, prologue,
                              options.epilogue, workspace, at_least_one(options.threads));
}

bool uses_planar(const Conv2dShape& shape) { return planar_serves(shape, current_isa()); }

const float* planar_filter(const Conv2dShape& shape, const float* w, Workspace& workspace,
                           const Options& options) {
  const PackedView packed =
      packed_for(shape, Direction::backward_input, planar_packed_floats(shape), Precision::float32,
                 workspace, options,
                 [&](void* out) { planar_pack(shape, w, static_cast<float*>(out)); });
  return packed.as<float>();
}
#endif

PackedView direct_filter(const Conv2dShape& shape, Direction direction, const GatherPlan& plan,
                         const float* w, Workspace& workspace, const Options& options) {
  const DirectKernels& kernels = direct_kernels();
  const Precision precision = options.precision;
  return packed_for(shape, direction, kernels.packed_elements(plan), precision, workspace, options,
                    [&](void* out) {
                      kernels.pack(plan, w, precision, out, at_least_one(options.threads));
                    });
}

void run_direct(const Conv2dShape& shape, Direction direction, const GatherPlan& plan,
                const float* src, const float* w, float* dst, const Prologue& prologue,
                Workspace& workspace, const Options& options) {
  const PackedView packed = direct_filter(shape, direction, plan, w, workspace, options);
  direct_kernels().gather(plan, src, packed, dst, prologue, options.epilogue, workspace,
                          at_least_one(options.threads));
}

bool same_filter_geometry(const Conv2dShape& a, const Conv2dShape& b) {
  return a.in_h == b.in_h && a.in_w == b.in_w && a.in_c == b.in_c && a.out_h == b.out_h &&
         a.out_w == b.out_w && a.out_c == b.out_c && a.kernel_h == b.kernel_h &&
         a.kernel_w == b.kernel_w && a.stride_h == b.stride_h && a.stride_w == b.stride_w &&
         a.pad_top == b.pad_top && a.pad_left == b.pad_left && a.dilation_h == b.dilation_h &&
         a.dilation_w == b.dilation_w;
}

}  // namespace

Isa active_isa() { return current_isa(); }

void limit_isa(Isa isa) {
  const Isa best = detect_isa();
  current_isa() = isa < best ? isa : best;
}

bool PackedFilter::matches(const Conv2dShape& shape, Direction direction, Isa isa,
                           Precision precision, uint64_t version) const {
  return valid_ && version_ == version && direction_ == direction && isa_ == isa &&
         precision_ == precision && same_filter_geometry(shape_, shape);
}

void* PackedFilter::renew(const Conv2dShape& shape, Direction direction, Isa isa,
                          Precision precision, uint64_t version, size_t floats) {
  valid_ = false;
  if (buffer_.capacity() < floats) buffer_ = AlignedBuffer(floats);
  shape_ = shape;
  direction_ = direction;
  isa_ = isa;
  precision_ = precision;
  version_ = version;
  valid_ = true;
  return buffer_.data();
}

bool supported(const Conv2dShape& s) {
  const int positive[] = {s.batch,    s.in_h,     s.in_w,     s.in_c,     s.out_h,
                          s.out_w,    s.out_c,    s.kernel_h, s.kernel_w, s.stride_h,
                          s.stride_w, s.dilation_h, s.dilation_w};
  for (int value : positive) {
    if (value < 1) return false;
  }
  if (s.pad_top < 0 || s.pad_left < 0) return false;
  const int64_t limit = INT_MAX / 8;
  const int64_t rows = static_cast<int64_t>(s.out_h) * s.stride_h +
                       static_cast<int64_t>(s.kernel_h) * s.dilation_h + s.in_h;
  const int64_t cols = static_cast<int64_t>(s.out_w) * s.stride_w +
                       static_cast<int64_t>(s.kernel_w) * s.dilation_w + s.in_w;
  if (rows > limit || cols > limit) return false;
  const double taps = static_cast<double>(s.kernel_h) * s.kernel_w;
  const double row_floats = static_cast<double>(cols) * (s.in_c > s.out_c ? s.in_c : s.out_c);
  return taps * s.in_c < limit && taps * s.out_c < limit && row_floats < limit &&
         static_cast<double>(s.batch) * s.in_h * s.in_w < limit &&
         static_cast<double>(s.batch) * s.out_h * s.out_w < limit;
}

void pack(const Conv2dShape& shape, Direction direction, const float* w, PackedFilter& packed,
          uint64_t version, Precision precision, Workspace& workspace, int threads) {
  workspace.reset();
  Options options;
  options.threads = threads;
  options.packed = &packed;
  options.version = version;
  options.precision = precision;
  const bool backward = direction == Direction::backward_input;
#ifdef PERCEPT_CONV_X86
  if (uses_winograd(shape, direction)) {
    winograd_filter(shape, direction, w, workspace, options);
    return;
  }
  if (backward && uses_planar(shape)) {
    planar_filter(shape, w, workspace, options);
    return;
  }
#endif
  const GatherPlan plan =
      backward ? plan_backward_input(shape, workspace) : plan_forward(shape, workspace);
  direct_filter(shape, direction, plan, w, workspace, options);
}

void forward(const Conv2dShape& shape, const float* x, const float* w, float* y,
             Workspace& workspace, const Options& options) {
  workspace.reset();
#ifdef PERCEPT_CONV_X86
  if (uses_winograd(shape, Direction::forward)) {
    run_winograd(shape, Direction::forward, x, w, y, options.prologue, workspace, options);
    return;
  }
#endif
  run_direct(shape, Direction::forward, plan_forward(shape, workspace), x, w, y, options.prologue,
             workspace, options);
}

void backward_input(const Conv2dShape& shape, const float* dy, const float* w, float* dx,
                    Workspace& workspace, const Options& options) {
  workspace.reset();
#ifdef PERCEPT_CONV_X86
  if (uses_winograd(shape, Direction::backward_input)) {
    run_winograd(shape, Direction::backward_input, dy, w, dx, Prologue{}, workspace, options);
    return;
  }
  if (uses_planar(shape)) {
    planar_backward_input_avx2(shape, dy, planar_filter(shape, w, workspace, options), dx,
                               options.epilogue, workspace, at_least_one(options.threads));
    return;
  }
#endif
  run_direct(shape, Direction::backward_input, plan_backward_input(shape, workspace), dy, w, dx,
             Prologue{}, workspace, options);
}

void backward_filter(const Conv2dShape& shape, const float* x, const float* dy, float* dw,
                     Workspace& workspace, const Options& options) {
  workspace.reset();
  const int threads = at_least_one(options.threads);
#ifdef PERCEPT_CONV_X86
  if (uses_winograd(shape, Direction::backward_filter)) {
    winograd_kernels().filter(winograd_forward_problem(shape), x, dy, dw, options.prologue,
                              workspace, threads);
    return;
  }
#endif
  direct_kernels().filter(plan_forward(shape, workspace), x, dy, dw, options.prologue, workspace,
                          threads);
}

const char* plan_name(const Conv2dShape& shape, Direction direction) {
#ifdef PERCEPT_CONV_X86
  if (uses_winograd(shape, direction)) {
    if (shape.stride_h == 2) {
      return current_isa() == Isa::avx512 ? "winograd4x4s2_avx512" : "winograd4x4s2_avx2";
    }
    return current_isa() == Isa::avx512 ? "winograd4x4_avx512" : "winograd4x4_avx2";
  }
  if (direction == Direction::backward_input && uses_planar(shape)) return "planar_avx2";
  if (current_isa() == Isa::avx512) return "direct_avx512";
  if (current_isa() == Isa::avx2) return "direct_avx2";
#endif
  (void)shape;
  (void)direction;
  return "direct_portable";
}

}  // namespace percept::conv
