// Checks every kernel against a float64 reference, and the library's promises about bits.
// Prints "N passed, N failed"; returns 1 when a check fails.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "checks.h"
#include "conv.h"

namespace {

using percept::conv::Conv2dShape;
using percept::conv::Direction;
using percept::conv::Epilogue;
using percept::conv::Isa;
using percept::conv::Options;
using percept::conv::PackedFilter;
using percept::conv::Precision;
using percept::conv::Prologue;
using percept::conv::Workspace;

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

const char* isa_name() {
  switch (percept::conv::active_isa()) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::portable:
      break;
  }
  return "portable";
}

std::string describe(const Conv2dShape& s) {
  char text[200];
  snprintf(text, sizeof text, "[%s] n%d %dx%dx%d>%dx%dx%d k%dx%d s%dx%d p%d,%d d%dx%d", isa_name(),
           s.batch, s.in_h, s.in_w, s.in_c, s.out_h, s.out_w, s.out_c, s.kernel_h, s.kernel_w,
           s.stride_h, s.stride_w, s.pad_top, s.pad_left, s.dilation_h, s.dilation_w);
  return text;
}

size_t x_size(const Conv2dShape& s) {
  return static_cast<size_t>(s.batch) * s.in_h * s.in_w * s.in_c;
}
size_t y_size(const Conv2dShape& s) {
  return static_cast<size_t>(s.batch) * s.out_h * s.out_w * s.out_c;
}
size_t w_size(const Conv2dShape& s) {
  return static_cast<size_t>(s.kernel_h) * s.kernel_w * s.in_c * s.out_c;
}

Floats random_floats(size_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Floats values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

Doubles widen(const Floats& values) { return Doubles(values.begin(), values.end()); }

// Calls visit(x index, w index, y index) with the channels' bases for every valid tap.
template <class Visit>
void for_taps(const Conv2dShape& s, const Visit& visit) {
  for (int n = 0; n < s.batch; ++n) {
    for (int oh = 0; oh < s.out_h; ++oh) {
      for (int ow = 0; ow < s.out_w; ++ow) {
        for (int kh = 0; kh < s.kernel_h; ++kh) {
          const int ih = oh * s.stride_h + kh * s.dilation_h - s.pad_top;
          if (ih < 0 || ih >= s.in_h) continue;
          for (int kw = 0; kw < s.kernel_w; ++kw) {
            const int iw = ow * s.stride_w + kw * s.dilation_w - s.pad_left;
            if (iw < 0 || iw >= s.in_w) continue;
            visit(((static_cast<size_t>(n) * s.in_h + ih) * s.in_w + iw) * s.in_c,
                  (static_cast<size_t>(kh) * s.kernel_w + kw) * s.in_c * s.out_c,
                  ((static_cast<size_t>(n) * s.out_h + oh) * s.out_w + ow) * s.out_c);
          }
        }
      }
    }
  }
}

Doubles reference_forward(const Conv2dShape& s, const Doubles& x, const Doubles& w) {
  Doubles y(y_size(s), 0.0);
  for_taps(s, [&](size_t xi, size_t wi, size_t yi) {
    for (int ic = 0; ic < s.in_c; ++ic) {
      for (int oc = 0; oc < s.out_c; ++oc) y[yi + oc] += x[xi + ic] * w[wi + ic * s.out_c + oc];
    }
  });
  return y;
}

Doubles reference_backward_input(const Conv2dShape& s, const Doubles& dy, const Doubles& w) {
  Doubles dx(x_size(s), 0.0);
  for_taps(s, [&](size_t xi, size_t wi, size_t yi) {
    for (int ic = 0; ic < s.in_c; ++ic) {
      double sum = 0.0;
      for (int oc = 0; oc < s.out_c; ++oc) sum += dy[yi + oc] * w[wi + ic * s.out_c + oc];
      dx[xi + ic] += sum;
    }
  });
  return dx;
}

Doubles reference_backward_filter(const Conv2dShape& s, const Doubles& x, const Doubles& dy) {
  Doubles dw(w_size(s), 0.0);
  for_taps(s, [&](size_t xi, size_t wi, size_t yi) {
    for (int ic = 0; ic < s.in_c; ++ic) {
      for (int oc = 0; oc < s.out_c; ++oc) dw[wi + ic * s.out_c + oc] += x[xi + ic] * dy[yi + oc];
    }
  });
  return dw;
}

double worst_error(const Floats& actual, const Doubles& expected) {
  double largest = 0.0;
  double worst = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::fabs(expected[i]));
    const double error = std::fabs(actual[i] - expected[i]);
    if (!(error <= worst)) worst = error;
  }
  if (largest == 0.0) return worst;
  return worst / largest;
}

bool same_bits(const float* a, const float* b, size_t count) {
  return memcmp(a, b, count * sizeof(float)) == 0;
}

double worst_direct = 0.0;
double worst_winograd = 0.0;

void check_error(const Conv2dShape& s, Direction direction, const Floats& actual,
                 const Doubles& expected, const std::string& name) {
  const double error = worst_error(actual, expected);
  const bool winograd = strncmp(percept::conv::plan_name(s, direction), "winograd", 8) == 0;
  (winograd ? worst_winograd : worst_direct) =
      std::max(winograd ? worst_winograd : worst_direct, error);
  char text[64];
  snprintf(text, sizeof text, " error %.2e", error);
  check(error <= (winograd ? 5e-6 : 2e-6), name + text);
}

Options with_threads(int threads) {
  Options options;
  options.threads = threads;
  return options;
}

// Results start as NaN, so that a place that is not written shows.
Floats nans(size_t count) { return Floats(count, std::numeric_limits<float>::quiet_NaN()); }

void check_values(const Conv2dShape& s, Workspace& workspace, uint32_t seed) {
  const std::string name = describe(s);
  const Floats x = random_floats(x_size(s), seed);
  const Floats w = random_floats(w_size(s), seed + 1);
  const Floats dy = random_floats(y_size(s), seed + 2);
  Floats y = nans(y_size(s));
  percept::conv::forward(s, x.data(), w.data(), y.data(), workspace, 2);
  check_error(s, Direction::forward, y, reference_forward(s, widen(x), widen(w)),
              name + " forward");
  Floats dx = nans(x_size(s));
  percept::conv::backward_input(s, dy.data(), w.data(), dx.data(), workspace, 2);
  check_error(s, Direction::backward_input, dx, reference_backward_input(s, widen(dy), widen(w)),
              name + " backward_input");
  Floats dw = nans(w_size(s));
  percept::conv::backward_filter(s, x.data(), dy.data(), dw.data(), workspace, 2);
  check_error(s, Direction::backward_filter, dw,
              reference_backward_filter(s, widen(x), widen(dy)), name + " backward_filter");
}

const char* precision_name(Precision precision) {
  return precision == Precision::bfloat16 ? " bfloat16" : "";
}

// An image alone, in any place, and with any number of threads, has the same bits.
void check_bits(const Conv2dShape& s, Precision precision, Workspace& workspace, uint32_t seed) {
  const std::string name = describe(s) + precision_name(precision);
  Options options = with_threads(2);
  options.precision = precision;
  const Floats x = random_floats(x_size(s), seed);
  const Floats w = random_floats(w_size(s), seed + 1);
  const Floats dy = random_floats(y_size(s), seed + 2);
  Floats y = nans(y_size(s));
  Floats dx = nans(x_size(s));
  percept::conv::forward(s, x.data(), w.data(), y.data(), workspace, options);
  percept::conv::backward_input(s, dy.data(), w.data(), dx.data(), workspace, options);
  for (int threads : {1, 3}) {
    options.threads = threads;
    Floats again = nans(y.size());
    percept::conv::forward(s, x.data(), w.data(), again.data(), workspace, options);
    check(same_bits(again.data(), y.data(), y.size()), name + " forward, other threads");
    again = nans(dx.size());
    percept::conv::backward_input(s, dy.data(), w.data(), again.data(), workspace, options);
    check(same_bits(again.data(), dx.data(), dx.size()), name + " backward_input, other threads");
  }
  options.threads = 2;
  for (int first = 0; first < s.batch; ++first) {
    Conv2dShape part = s;
    part.batch = std::min(s.batch - first, 1 + first % 3);
    const size_t x_image = x.size() / s.batch;
    const size_t y_image = y.size() / s.batch;
    Floats again = nans(y_size(part));
    percept::conv::forward(part, x.data() + first * x_image, w.data(), again.data(), workspace,
                           options);
    check(same_bits(again.data(), y.data() + first * y_image, again.size()),
          name + " forward, part of the batch");
    again = nans(x_size(part));
    percept::conv::backward_input(part, dy.data() + first * y_image, w.data(), again.data(),
                                  workspace, options);
    check(same_bits(again.data(), dx.data() + first * x_image, again.size()),
          name + " backward_input, part of the batch");
  }
  if (precision == Precision::bfloat16) return;
  Floats dw = nans(w.size());
  Floats again = nans(w.size());
  percept::conv::backward_filter(s, x.data(), dy.data(), dw.data(), workspace, 2);
  percept::conv::backward_filter(s, x.data(), dy.data(), again.data(), workspace, 2);
  check(same_bits(dw.data(), again.data(), dw.size()), name + " backward_filter, again");
}

void check_fusion(const Conv2dShape& s, Workspace& workspace, uint32_t seed) {
  const std::string name = describe(s);
  const Floats x = random_floats(x_size(s), seed);
  const Floats w = random_floats(w_size(s), seed + 1);
  const Floats dy = random_floats(y_size(s), seed + 2);
  const Floats in_scale = random_floats(s.in_c, seed + 3);
  const Floats in_shift = random_floats(s.in_c, seed + 4);
  const Floats out_scale = random_floats(s.out_c, seed + 5);
  const Floats out_shift = random_floats(s.out_c, seed + 6);
  const Floats y_add = random_floats(y_size(s), seed + 7);
  const Floats y_gate = random_floats(y_size(s), seed + 8);
  const Floats x_add = random_floats(x_size(s), seed + 9);

  for (int form = 0; form < 4; ++form) {
    Options options = with_threads(2);
    if (form != 1) options.prologue.scale = in_scale.data();
    if (form != 2) options.prologue.shift = in_shift.data();
    options.prologue.relu = form != 3;
    Doubles x_seen(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const float scale = form != 1 ? in_scale[i % s.in_c] : 1.0f;
      const float shift = form != 2 ? in_shift[i % s.in_c] : 0.0f;
      const double value = std::fma(x[i], scale, shift);
      x_seen[i] = options.prologue.relu ? std::max(0.0, value) : value;
    }
    if (form != 1) options.epilogue.add = y_add.data();
    if (form != 2) options.epilogue.gate = y_gate.data();
    if (form != 3) {
      options.epilogue.gate_scale = out_scale.data();
      options.epilogue.gate_shift = out_shift.data();
    }
    Doubles expected = reference_forward(s, x_seen, widen(w));
    for (size_t i = 0; i < expected.size(); ++i) {
      if (form != 2) {
        const float scale = form != 3 ? out_scale[i % s.out_c] : 1.0f;
        const float shift = form != 3 ? out_shift[i % s.out_c] : 0.0f;
        // Portable code rounds twice: keep away from the edge it may decide otherwise.
        expected[i] = std::fma(y_gate[i], scale, shift) > 0.0f ? expected[i] * scale : 0.0;
      }
      if (form != 1) expected[i] += y_add[i];
    }
    Floats y = nans(y_size(s));
    percept::conv::forward(s, x.data(), w.data(), y.data(), workspace, options);
    check_error(s, Direction::forward, y, expected, name + " fused forward");
    Floats dw = nans(w_size(s));
    percept::conv::backward_filter(s, x.data(), dy.data(), dw.data(), workspace, options);
    check_error(s, Direction::backward_filter, dw,
                reference_backward_filter(s, x_seen, widen(dy)), name + " fused backward_filter");
  }

  Options options = with_threads(2);
  options.epilogue.gate = x.data();
  options.epilogue.gate_scale = in_scale.data();
  options.epilogue.gate_shift = in_shift.data();
  Doubles expected = reference_backward_input(s, widen(dy), widen(w));
  Floats dx = x_add;
  options.epilogue.add = dx.data();
  for (size_t i = 0; i < expected.size(); ++i) {
    const float scale = in_scale[i % s.in_c];
    expected[i] = std::fma(x[i], scale, in_shift[i % s.in_c]) > 0.0f ? expected[i] * scale : 0.0;
    expected[i] += x_add[i];
  }
  percept::conv::backward_input(s, dy.data(), w.data(), dx.data(), workspace, options);
  check_error(s, Direction::backward_input, dx, expected, name + " fused backward_input in place");
}

void check_packed(const Conv2dShape& s, Precision precision, Workspace& workspace, uint32_t seed) {
  const std::string name = describe(s) + precision_name(precision);
  const Floats x = random_floats(x_size(s), seed);
  const Floats dy = random_floats(y_size(s), seed + 2);
  PackedFilter packed_forward;
  PackedFilter packed_backward;
  for (uint64_t version : {7, 7, 8}) {
    const Floats w = random_floats(w_size(s), seed + static_cast<uint32_t>(version));
    Options options = with_threads(2);
    options.precision = precision;
    options.version = version;
    Floats expected = nans(y_size(s));
    Floats actual = nans(y_size(s));
    percept::conv::forward(s, x.data(), w.data(), expected.data(), workspace, options);
    options.packed = &packed_forward;
    percept::conv::forward(s, x.data(), w.data(), actual.data(), workspace, options);
    check(same_bits(expected.data(), actual.data(), actual.size()), name + " packed forward");
    options.packed = nullptr;
    expected = nans(x_size(s));
    actual = nans(x_size(s));
    percept::conv::backward_input(s, dy.data(), w.data(), expected.data(), workspace, options);
    options.packed = &packed_backward;
    percept::conv::backward_input(s, dy.data(), w.data(), actual.data(), workspace, options);
    check(same_bits(expected.data(), actual.data(), actual.size()), name + " packed backward_input");
  }
  // With the same version the cached filter is used, whatever the pointer holds.
  const Floats other = random_floats(w_size(s), seed + 99);
  Options options = with_threads(2);
  options.precision = precision;
  options.version = 8;
  options.packed = &packed_forward;
  Floats first = nans(y_size(s));
  Floats second = nans(y_size(s));
  percept::conv::forward(s, x.data(), random_floats(w_size(s), seed + 8).data(), first.data(),
                         workspace, options);
  percept::conv::forward(s, x.data(), other.data(), second.data(), workspace, options);
  check(same_bits(first.data(), second.data(), first.size()), name + " packed filter reused");
}

// To 8 bits of significand, ties to even, by arithmetic instead of bits.
Doubles in_bfloat16(const Floats& values) {
  Doubles rounded;
  for (float value : values) {
    int exponent;
    const double significand = std::frexp(static_cast<double>(value), &exponent);
    rounded.push_back(std::ldexp(std::nearbyint(std::ldexp(significand, 8)), exponent - 8));
  }
  return rounded;
}

// Exactly the sum over the rounded filter where that is what is packed; by Winograd, where its transform
// is rounded, within the rounding error, and without a bias: truncation would shrink sums of positives
// by 2^-9.
void check_bfloat16(const Conv2dShape& s, Workspace& workspace, uint32_t seed) {
  const std::string name = describe(s) + " bfloat16";
  const Floats x = random_floats(x_size(s), seed);
  const Floats w = random_floats(w_size(s), seed + 1);
  const Floats dy = random_floats(y_size(s), seed + 2);
  Options options = with_threads(2);
  options.precision = Precision::bfloat16;
  const auto starts_with = [&](Direction direction, const char* text) {
    return strncmp(percept::conv::plan_name(s, direction), text, strlen(text)) == 0;
  };
  Floats y = nans(y_size(s));
  percept::conv::forward(s, x.data(), w.data(), y.data(), workspace, options);
  if (starts_with(Direction::forward, "winograd")) {
    const double error = worst_error(y, reference_forward(s, widen(x), widen(w)));
    check(error > 1e-5 && error <= 1.0 / 32, name + " forward error " + std::to_string(error));
  } else {
    check_error(s, Direction::forward, y, reference_forward(s, widen(x), in_bfloat16(w)),
                name + " forward");
  }
  Floats dx = nans(x_size(s));
  percept::conv::backward_input(s, dy.data(), w.data(), dx.data(), workspace, options);
  if (starts_with(Direction::backward_input, "winograd")) {
    const double error = worst_error(dx, reference_backward_input(s, widen(dy), widen(w)));
    check(error > 1e-5 && error <= 1.0 / 32,
          name + " backward_input error " + std::to_string(error));
  } else {
    const bool planar = starts_with(Direction::backward_input, "planar");
    check_error(s, Direction::backward_input, dx,
                reference_backward_input(s, widen(dy), planar ? widen(w) : in_bfloat16(w)),
                name + " backward_input");
  }
  if (!starts_with(Direction::forward, "winograd")) return;
  Floats x_positive = x;
  Floats w_positive = w;
  for (float& value : x_positive) value = std::fabs(value);
  for (float& value : w_positive) value = std::fabs(value);
  percept::conv::forward(s, x_positive.data(), w_positive.data(), y.data(), workspace, options);
  const Doubles expected = reference_forward(s, widen(x_positive), widen(w_positive));
  double bias = 0.0;
  double total = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    bias += y[i] - expected[i];
    total += expected[i];
  }
  check(std::fabs(bias) <= total / 4096, name + " forward bias " + std::to_string(bias / total));
}

// A pixel of 1 shows the filter as it is kept.
void check_bfloat16_rounding() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const float least = std::numeric_limits<float>::denorm_min();
  const float step = std::ldexp(1.0f, -7);  // between bfloat16's neighbours in [1, 2)
  const struct {
    const char* what;
    float value, kept;
  } cases[] = {
      {"zero", 0.0f, 0.0f},
      {"a power of two", 0.25f, 0.25f},
      {"eight bits", 1.0f + 127 * step, 1.0f + 127 * step},
      {"below a tie", 1.0f + 0.499f * step, 1.0f},
      {"above a tie", 1.0f + 0.501f * step, 1.0f + step},
      {"a tie to the even one below", 1.0f + 0.5f * step, 1.0f},
      {"a tie to the even one above", 1.0f + 1.5f * step, 1.0f + 2 * step},
      {"a negative tie", -1.0f - 1.5f * step, -1.0f - 2 * step},
      {"a carry into the exponent", 2.0f - 0.25f * step, 2.0f},
      {"the smallest denormal", least, 0.0f},
      {"a denormal of bfloat16", 65536 * least, 65536 * least},
      {"a denormal above a tie", 40000 * least, 65536 * least},
      {"the largest float", std::numeric_limits<float>::max(), infinity},
      {"infinity", -infinity, -infinity},
      {"no number", nan, nan},
      {"no number, in its lowest bits only", std::nanf("1"), nan},
  };
  constexpr int kCases = sizeof cases / sizeof cases[0];
  const Conv2dShape s = {1, 1, 1, 1, 1, 1, kCases, 1, 1, 1, 1, 0, 0, 1, 1};
  Workspace workspace;
  Options options;
  options.precision = Precision::bfloat16;
  Floats w;
  for (const auto& c : cases) w.push_back(c.value);
  const float one = 1.0f;
  Floats y = nans(kCases);
  percept::conv::forward(s, &one, w.data(), y.data(), workspace, options);
  for (int i = 0; i < kCases; ++i) {
    const bool same = std::isnan(cases[i].kept) ? std::isnan(y[i]) : y[i] == cases[i].kept;
    check(same, std::string("[") + isa_name() + "] " + cases[i].what + " in bfloat16");
  }
}

// One cache serves the precision of each call, and takes half the room in bfloat16.
void check_packed_precisions(const Conv2dShape& s, Workspace& workspace) {
  const std::string name = describe(s);
  const Floats x = random_floats(x_size(s), 1);
  const Floats w = random_floats(w_size(s), 2);
  PackedFilter packed;
  Floats results[3];
  for (int i = 0; i < 3; ++i) {
    Options options = with_threads(2);
    options.packed = &packed;
    options.version = 1;
    options.precision = i == 1 ? Precision::bfloat16 : Precision::float32;
    results[i] = nans(y_size(s));
    percept::conv::forward(s, x.data(), w.data(), results[i].data(), workspace, options);
  }
  check(same_bits(results[0].data(), results[2].data(), results[0].size()),
        name + " float32 after bfloat16");
  check(!same_bits(results[0].data(), results[1].data(), results[0].size()),
        name + " bfloat16 after float32");
  PackedFilter whole;
  PackedFilter half;
  percept::conv::pack(s, Direction::forward, w.data(), whole, 1, Precision::float32, workspace, 2);
  percept::conv::pack(s, Direction::forward, w.data(), half, 1, Precision::bfloat16, workspace, 2);
  check(half.bytes() <= whole.bytes() / 2 + 64, name + " bfloat16 takes half the room");
}

void check_steady_workspace() {
  Workspace workspace;
  const Conv2dShape s = {4, 16, 16, 32, 16, 16, 32, 3, 3, 1, 1, 1, 1, 1, 1};
  const Floats x = random_floats(x_size(s), 1);
  const Floats w = random_floats(w_size(s), 2);
  Floats y = nans(y_size(s));
  Floats dw = nans(w_size(s));
  size_t bytes[3];
  for (size_t& size : bytes) {
    percept::conv::forward(s, x.data(), w.data(), y.data(), workspace, 2);
    percept::conv::backward_filter(s, x.data(), y.data(), dw.data(), workspace, 2);
    percept::conv::forward(s, x.data(), w.data(), y.data(), workspace, 2);
    size = workspace.bytes();
  }
  check(bytes[1] == bytes[2], "the workspace stops growing");
}

Conv2dShape same_shape(int batch, int size, int in_c, int out_c, int kernel, int stride) {
  const int pad = (kernel - 1) / 2;
  const int out = (size + 2 * pad - kernel) / stride + 1;
  return {batch, size,   size,   in_c,   out, out, out_c, kernel,
          kernel, stride, stride, pad, pad, 1,   1};
}

std::vector<Conv2dShape> model_shapes() {
  std::vector<Conv2dShape> shapes;
  for (int width : {8, 64}) {
    int batch = width == 64 ? 1 : 3;
    shapes.push_back(same_shape(batch, 32, 3, width, 3, 1));
    for (int stage = 0; stage < 4; ++stage) {
      const int channels = width << stage;
      const int size = 32 >> stage;
      if (stage == 3 && width == 64) batch = 3;
      shapes.push_back(same_shape(batch, size, channels, channels, 3, 1));
      if (stage == 3) break;
      shapes.push_back(same_shape(batch, size, channels, 2 * channels, 3, 2));
      shapes.push_back(same_shape(batch, size, channels, 2 * channels, 1, 2));
    }
  }
  return shapes;
}

std::vector<Conv2dShape> odd_shapes() {
  return {
      {2, 7, 5, 3, 7, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1},
      {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},
      {2, 1, 1, 17, 1, 1, 33, 1, 1, 1, 1, 0, 0, 1, 1},
      {3, 6, 2, 5, 6, 2, 10, 3, 3, 1, 1, 1, 1, 1, 1},
      {2, 9, 3, 10, 5, 2, 12, 3, 3, 2, 2, 1, 1, 1, 1},
      {2, 9, 9, 8, 4, 4, 8, 3, 3, 2, 2, 0, 0, 1, 1},
      {2, 8, 8, 8, 4, 4, 16, 3, 3, 2, 2, 0, 0, 1, 1},     // SAME: pads only bottom and right
      {2, 8, 8, 16, 9, 9, 24, 2, 2, 1, 1, 1, 1, 1, 1},
      {2, 8, 10, 16, 7, 9, 48, 2, 2, 1, 1, 0, 0, 1, 1},
      {2, 12, 11, 6, 12, 11, 7, 5, 5, 1, 1, 2, 2, 1, 1},
      {2, 12, 11, 6, 4, 4, 7, 5, 5, 3, 3, 2, 2, 1, 1},
      {2, 13, 17, 3, 7, 6, 8, 5, 3, 2, 3, 2, 1, 1, 1},
      {2, 10, 10, 9, 10, 10, 20, 3, 3, 1, 1, 2, 2, 2, 2},  // dilation
      {2, 10, 12, 9, 4, 5, 20, 3, 3, 2, 2, 1, 2, 2, 3},
      {2, 5, 5, 4, 3, 3, 5, 1, 1, 2, 2, 0, 0, 1, 1},
      {2, 7, 7, 64, 3, 3, 32, 1, 1, 3, 3, 0, 0, 1, 1},     // stride beyond the kernel
      {2, 4, 4, 3, 8, 8, 4, 1, 1, 1, 1, 2, 2, 1, 1},       // outputs wholly in the padding
      {1, 6, 6, 2, 9, 9, 3, 3, 3, 1, 1, 3, 2, 1, 1},
      {1, 40, 70, 3, 40, 70, 2, 7, 7, 1, 1, 3, 3, 1, 1},
      {1, 60, 60, 40, 60, 60, 33, 3, 3, 1, 1, 1, 1, 1, 1},  // several bands
      {5, 8, 8, 16, 8, 8, 16, 3, 3, 1, 1, 1, 1, 1, 1},
      {5, 9, 7, 32, 9, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1},
      {2, 10, 6, 64, 10, 6, 48, 3, 3, 1, 1, 1, 1, 1, 1},
      {2, 10, 6, 48, 10, 6, 64, 3, 3, 1, 1, 1, 1, 1, 1},
      {2, 10, 6, 64, 8, 4, 64, 3, 3, 1, 1, 0, 0, 1, 1},    // 3x3 without padding
      {2, 10, 6, 64, 12, 8, 64, 3, 3, 1, 1, 2, 2, 1, 1},
      {2, 5, 5, 64, 5, 4, 80, 3, 3, 1, 1, 1, 0, 1, 1},     // asymmetric
      {3, 3, 3, 64, 3, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1},
      {3, 9, 7, 64, 5, 4, 80, 3, 3, 2, 2, 1, 1, 1, 1},      // stride 2 by phases
      {2, 13, 18, 64, 7, 9, 64, 3, 3, 2, 2, 1, 1, 1, 1},
      {2, 18, 17, 64, 9, 8, 64, 3, 3, 2, 2, 1, 0, 1, 1},
      {2, 1, 2, 64, 1, 1, 64, 3, 3, 2, 2, 1, 1, 1, 1},
      {9, 8, 8, 192, 4, 4, 160, 3, 3, 2, 2, 1, 1, 1, 1},
      {2, 10, 10, 64, 7, 7, 64, 3, 3, 2, 2, 3, 2, 1, 1},    // outputs wholly in the padding
      {37, 4, 4, 64, 4, 4, 64, 3, 3, 1, 1, 1, 1, 1, 1},
      {5, 9, 8, 1, 9, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1},       // few channels in, lanes of pixels back
      {3, 11, 33, 2, 11, 33, 16, 5, 3, 1, 1, 2, 1, 1, 1},
      {3, 10, 34, 3, 10, 34, 24, 3, 3, 1, 1, 1, 1, 1, 1},
      {2, 9, 19, 4, 9, 19, 8, 7, 7, 1, 1, 3, 3, 1, 1},
      {2, 9, 19, 3, 7, 17, 8, 3, 3, 1, 1, 0, 0, 1, 1},     // without padding
      {2, 8, 9, 3, 14, 15, 8, 3, 3, 1, 1, 4, 4, 1, 1},     // more padding than the kernel has
      {2, 8, 12, 4, 8, 12, 16, 1, 1, 1, 1, 0, 0, 1, 1},
      {3, 6, 6, 256, 6, 6, 272, 3, 3, 1, 1, 1, 1, 1, 1},
  };
}

void check_random_shapes(Workspace& workspace, int count) {
  std::mt19937 generator(20260101);
  const auto pick = [&](int low, int high) {
    return low + static_cast<int>(generator() % static_cast<uint32_t>(high - low + 1));
  };
  for (int i = 0; i < count; ++i) {
    Conv2dShape s{};
    s.batch = pick(1, 4);
    s.in_h = pick(1, 14), s.in_w = pick(1, 14);
    s.in_c = pick(1, 35), s.out_c = pick(1, 70);
    s.kernel_h = pick(1, 5), s.kernel_w = pick(1, 5);
    s.stride_h = pick(1, 3), s.stride_w = pick(1, 3);
    s.dilation_h = pick(0, 3) == 0 ? 2 : 1, s.dilation_w = pick(0, 3) == 0 ? 2 : 1;
    s.pad_top = pick(0, 3), s.pad_left = pick(0, 3);
    const int span_h = s.in_h + s.pad_top + pick(0, 3) - (s.kernel_h - 1) * s.dilation_h - 1;
    const int span_w = s.in_w + s.pad_left + pick(0, 3) - (s.kernel_w - 1) * s.dilation_w - 1;
    if (span_h < 0 || span_w < 0) continue;
    s.out_h = span_h / s.stride_h + 1, s.out_w = span_w / s.stride_w + 1;
    check_values(s, workspace, 1000 + i);
  }
}

void check_supported() {
  Conv2dShape s = same_shape(1, 8, 8, 8, 3, 1);
  check(percept::conv::supported(s), "a plain shape is supported");
  s.stride_h = 0;
  check(!percept::conv::supported(s), "a stride of zero is not supported");
  s = same_shape(1, 8, 8, 8, 3, 1);
  s.pad_left = -1;
  check(!percept::conv::supported(s), "negative padding is not supported");
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
  check_supported();
  check_steady_workspace();
  const Isa best = percept::conv::active_isa();
  for (Isa isa : {Isa::avx512, Isa::avx2, Isa::portable}) {
    if (isa > best) continue;
    percept::conv::limit_isa(isa);
    Workspace workspace;
    const int before = passed + failed;
    worst_direct = worst_winograd = 0.0;
    const bool brief = quick || isa != best;
    for (const Conv2dShape& s : odd_shapes()) {
      check_values(s, workspace, 1);
      check_bits(s, Precision::float32, workspace, 2);
      check_bits(s, Precision::bfloat16, workspace, 2);
      check_bfloat16(s, workspace, 8);
      if (brief && s.in_c > 64) continue;
      check_fusion(s, workspace, 3);
      check_packed(s, Precision::float32, workspace, 4);
      check_packed(s, Precision::bfloat16, workspace, 4);
    }
    for (const Conv2dShape& s : model_shapes()) {
      if (brief && s.in_c * s.out_c > 20000) continue;
      check_values(s, workspace, 5);
      check_bits(s, Precision::float32, workspace, 6);
      check_bits(s, Precision::bfloat16, workspace, 6);
      check_bfloat16(s, workspace, 9);
      if (s.in_c <= 64) check_fusion(s, workspace, 7);
    }
    check_bfloat16_rounding();
    check_packed_precisions(same_shape(2, 8, 32, 64, 3, 1), workspace);
    check_packed_precisions(same_shape(2, 8, 64, 128, 3, 2), workspace);
    check_packed_precisions(same_shape(2, 8, 32, 64, 1, 2), workspace);
    check_random_shapes(workspace, brief ? 60 : 300);
    printf("%s: %d checks, worst error direct %.2e, winograd %.2e\n", isa_name(),
           passed + failed - before, worst_direct, worst_winograd);
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
