// Direct convolution kernels, written once over `Vector` and compiled once per instruction set: the
// including file provides `Vector`. Everything has internal linkage, so that no function built for
// one instruction set can be linked into another's path.
//
// Orders of summation, fixed per output element: segments ascending, then input floats ascending in
// steps of P (the pack), then the P partial sums; long sums add the segments' own sums. Blocking over pixels never changes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "direct.h"
#include "slices.h"

namespace percept::conv {
namespace {

// The Vector by a dependent name: only those with kMaxPack > 1 have the packed functions.
template <int P>
struct PackedVector {
  using Type = Vector;
};
template <int P>
using Packed = typename PackedVector<P>::Type;

constexpr int kGroup = 4;  // pixels of one output row that a group computes
constexpr int kWidth = Vector::kWidth;
constexpr size_t kUnitBytes = 384 << 10;      // of padded input per thread: a part of L2
constexpr size_t kSmallUnitBytes = 40 << 10;  // beside a small filter: a part of L1
constexpr size_t kSmallFilterFloats = 6 << 10;
constexpr size_t kFilterUnitBytes = 24 << 10;  // in backward_filter: a part of L1
constexpr int kFilterUnitPixels = 256;         // output pixels, where those take more

// A longer chain of additions loses too much: its segments are summed apart.
constexpr int kLongChain = 1024;

constexpr int min_of(int a, int b) { return a < b ? a : b; }
constexpr int max_of(int a, int b) { return a > b ? a : b; }
constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
constexpr size_t line_floats(size_t floats) { return (floats + 15) / 16 * 16; }

template <class T>
T* take(Workspace& workspace, size_t count) {
  return reinterpret_cast<T*>(workspace.take((count * sizeof(T) + 3) / 4));
}

// ---- panels of output channels ----

// Output channels are cut into panels of two vectors; the last may have one. Few channels make one
// packed panel, P > 1: its lanes are [output channel][P input floats], so that one broadcast of P
// floats serves two vectors and no lane idles.
struct Panels {
  int pack;
  int count;
  int last_vectors;
  int last_channels;

  int vectors(int panel) const { return panel + 1 < count ? 2 : last_vectors; }
  int channels(int panel) const { return panel + 1 < count ? 2 * kWidth : last_channels; }
  // Of the last vector that is stored.
  Vector::Mask mask(int panel) const {
    const int whole = pack > 1 ? 0 : (vectors(panel) - 1) * kWidth;
    return Vector::first(channels(panel) - whole);
  }
};

Panels panels_of(int channels) {
  if (Vector::kMaxPack >= 4 && channels <= kWidth / 4) return {4, 1, 1, channels};
  if (Vector::kMaxPack >= 4 && channels <= kWidth / 2) return {4, 1, 2, channels};
  if (Vector::kMaxPack >= 2 && channels <= kWidth) return {2, 1, 2, channels};
  const int count = ceil_div(channels, 2 * kWidth);
  const int rest = channels - (count - 1) * 2 * kWidth;
  return {1, count, ceil_div(rest, kWidth), rest};
}

int segment_steps(const GatherPlan& plan, const Segment& segment, int pack) {
  return ceil_div(segment.taps * plan.in_c, pack);
}

int phase_steps(const GatherPlan& plan, const Phase& phase, int pack) {
  int steps = 0;
  for (int s = 0; s < phase.segments; ++s) {
    steps += segment_steps(plan, plan.segments[phase.first_segment + s], pack);
  }
  return steps;
}

size_t phase_elements(const GatherPlan& plan, const Phase& phase, const Panels& panels) {
  const size_t vectors = static_cast<size_t>(panels.count - 1) * 2 + panels.last_vectors;
  return static_cast<size_t>(phase_steps(plan, phase, panels.pack)) * vectors * kWidth;
}

size_t packed_elements(const GatherPlan& plan) {
  const Panels panels = panels_of(plan.out_c);
  size_t floats = 0;
  for (int p = 0; p < plan.phase_count; ++p) {
    floats += phase_elements(plan, plan.phases[p], panels);
  }
  return floats;
}

// Packs one segment for one panel: [step][vectors * kWidth].
template <class Element>
void pack_segment(const GatherPlan& plan, const Segment& segment, const Panels& panels, int panel,
                  const float* filter, Element* packed) {
  const int pack = panels.pack;
  const int lanes = panels.vectors(panel) * kWidth;
  const int channels = panels.channels(panel);
  const int first_channel = panel * 2 * kWidth;
  const int steps = segment_steps(plan, segment, pack);
  const ptrdiff_t foc = plan.filter_out_c;
  if (pack > 1 || channels < lanes) {
    memset(static_cast<void*>(packed), 0, sizeof(Element) * static_cast<size_t>(steps) * lanes);
  }
  for (int t = 0; t < segment.taps; ++t) {
    const Tap& tap = plan.taps[segment.first_tap + t];
    const float* slice = filter + (static_cast<ptrdiff_t>(tap.kernel_y) * plan.kernel_w +
                                   tap.kernel_x) * plan.filter_in_c * foc;
    if (pack > 1) {
      for (int c = 0; c < plan.in_c; ++c) {
        const int flat = t * plan.in_c + c;
        Element* row = packed + static_cast<ptrdiff_t>(flat / pack) * lanes + flat % pack;
        for (int l = 0; l < channels; ++l) {
          assign(row[l * pack], plan.transposed ? slice[l * foc + c] : slice[c * foc + l]);
        }
      }
    } else if (!plan.transposed) {
      Element* rows = packed + static_cast<ptrdiff_t>(t) * plan.in_c * lanes;
      for (int c = 0; c < plan.in_c; ++c) {
        Element* row = rows + static_cast<ptrdiff_t>(c) * lanes;
        const float* source = slice + c * foc + first_channel;
        for (int l = 0; l < channels; ++l) assign(row[l], source[l]);
      }
    } else {
      Element* rows = packed + static_cast<ptrdiff_t>(t) * plan.in_c * lanes;
      for (int c0 = 0; c0 < plan.in_c; c0 += 16) {
        const int c1 = min_of(c0 + 16, plan.in_c);
        for (int l = 0; l < channels; ++l) {
          const float* source = slice + (first_channel + l) * foc;
          for (int c = c0; c < c1; ++c) assign(rows[static_cast<ptrdiff_t>(c) * lanes + l], source[c]);
        }
      }
    }
  }
}

template <class Element>
void pack_elements(const GatherPlan& plan, const float* filter, Element* packed, int threads) {
  const Panels panels = panels_of(plan.out_c);
  const int slices = packed_elements(plan) < 32768 ? 1 : threads;
  for_slices(slices, [&](int slice) {
    int task = 0;
    Element* phase_base = packed;
    for (int p = 0; p < plan.phase_count; ++p) {
      const Phase& phase = plan.phases[p];
      const ptrdiff_t steps = phase_steps(plan, phase, panels.pack);
      for (int panel = 0; panel < panels.count; ++panel) {
        Element* out = phase_base + steps * panel * 2 * kWidth;
        for (int s = 0; s < phase.segments; ++s) {
          const Segment& segment = plan.segments[phase.first_segment + s];
          if (task++ % slices == slice) {
            pack_segment(plan, segment, panels, panel, filter, out);
          }
          out += static_cast<ptrdiff_t>(segment_steps(plan, segment, panels.pack)) *
                 panels.vectors(panel) * kWidth;
        }
      }
      phase_base += phase_elements(plan, phase, panels);
    }
  });
}

void pack_filter(const GatherPlan& plan, const float* filter, Precision precision, void* packed,
                 int threads) {
  with_element(precision, [&](auto* none) {
    using Element = std::remove_pointer_t<decltype(none)>;
    pack_elements(plan, filter, static_cast<Element*>(packed), threads);
  });
}

// ---- the padded input of a unit of work ----

// Work is cut into items, (image, band of output rows), and units of consecutive items whose padded
// input fits the cache. Without padding and prologue the input is read in place.
struct Layout {
  bool copy;
  int bands, band_rows;
  int unit_items;  // images per unit; 1 when images have several bands
  int buffer_rows, buffer_cols;
  ptrdiff_t row_pitch, item_pitch;  // floats
  size_t buffer_floats;
};

Layout layout_of(const GatherPlan& plan, const Panels& panels, bool prologue, int threads,
                 size_t unit_bytes) {
  Layout layout;
  bool whole_steps = true;
  int segments = 0;
  for (int p = 0; p < plan.phase_count; ++p) segments += plan.phases[p].segments;
  for (int s = 0; s < segments; ++s) {
    if (plan.segments[s].taps * plan.in_c % panels.pack != 0) whole_steps = false;
  }
  layout.copy = prologue || !whole_steps || plan.min_cols < kGroup || plan.min_row < 0 ||
                plan.min_col < 0 ||
                (plan.max_rows - 1) * plan.in_step_h + plan.max_row >= plan.in_h ||
                (plan.max_cols - 1) * plan.in_step_w + plan.max_col >= plan.in_w;
  const int row_span = plan.max_row - plan.min_row;
  layout.buffer_cols =
      (plan.max_cols - 1) * plan.in_step_w + plan.max_col - plan.min_col + 1;
  const size_t row_bytes = sizeof(float) * static_cast<size_t>(layout.buffer_cols) * plan.in_c;

  const int fit_rows = max_of(1, static_cast<int>(unit_bytes / row_bytes));
  const int fit_out_rows = max_of(1, (fit_rows - row_span - 1) / plan.in_step_h + 1);
  int bands = ceil_div(plan.max_rows, fit_out_rows);
  if (plan.batch < 4 * threads) bands = max_of(bands, ceil_div(4 * threads, plan.batch));
  layout.band_rows = ceil_div(plan.max_rows, min_of(bands, plan.max_rows));
  layout.bands = ceil_div(plan.max_rows, layout.band_rows);
  layout.buffer_rows = (layout.band_rows - 1) * plan.in_step_h + row_span + 1;
  const size_t item_bytes = row_bytes * layout.buffer_rows;
  layout.unit_items = 1;
  if (layout.bands == 1) {
    layout.unit_items = min_of(ceil_div(plan.batch, threads),
                               max_of(1, static_cast<int>(unit_bytes / item_bytes)));
  }
  if (layout.copy) {
    layout.row_pitch = static_cast<ptrdiff_t>(layout.buffer_cols) * plan.in_c;
    layout.item_pitch = layout.row_pitch * layout.buffer_rows;
    // A group of fewer than kGroup valid pixels, and the last pack, read past the last pixel.
    const size_t slack = static_cast<size_t>(kGroup) * plan.in_step_w * plan.in_c + 16;
    layout.buffer_floats = line_floats(layout.item_pitch * layout.unit_items + slack);
  } else {
    layout.row_pitch = static_cast<ptrdiff_t>(plan.in_w) * plan.in_c;
    layout.item_pitch = layout.row_pitch * plan.in_h;
    layout.buffer_floats = 0;
  }
  return layout;
}

// A prologue as pixels are copied through it. With fewer channels than lanes its vectors run on
// across the pixels, and the same ones come again after as many vectors as there are channels.
struct PixelPrologue {
  PixelPrologue(const Prologue& prologue, int channels)
      : active(prologue.active()), relu(prologue.relu), scale(prologue.scale), shift(prologue.shift) {
    if (!active || channels >= kWidth) return;
    for (int i = 0; i < channels * kWidth; ++i) {
      scales[i] = scale ? scale[i % channels] : 1.0f;
      shifts[i] = shift ? shift[i % channels] : 0.0f;
    }
  }

  bool active, relu;
  const float* scale;
  const float* shift;
  alignas(64) float scales[kWidth * kWidth];
  alignas(64) float shifts[kWidth * kWidth];
};

Vector::Float apply(const PixelPrologue& prologue, Vector::Float v, Vector::Float scale,
                    Vector::Float shift) {
  v = Vector::fma(v, scale, shift);
  return prologue.relu ? Vector::relu(v) : v;
}

void copy_few_channels(const float* src, float* dst, ptrdiff_t floats, int channels,
                       const PixelPrologue& prologue) {
  int phase = 0;
  ptrdiff_t i = 0;
  for (; i + kWidth <= floats; i += kWidth) {
    const Vector::Float scale = Vector::load(prologue.scales + phase);
    const Vector::Float shift = Vector::load(prologue.shifts + phase);
    Vector::store(dst + i, apply(prologue, Vector::load(src + i), scale, shift));
    phase += kWidth;
    if (phase == channels * kWidth) phase = 0;
  }
  if (i == floats) return;
  const Vector::Mask mask = Vector::first(static_cast<int>(floats - i));
  const Vector::Float scale = Vector::load(prologue.scales + phase);
  const Vector::Float shift = Vector::load(prologue.shifts + phase);
  Vector::store(dst + i, apply(prologue, Vector::load(src + i, mask), scale, shift), mask);
}

void copy_pixels(const float* src, float* dst, ptrdiff_t pixels, int channels,
                 const PixelPrologue& prologue) {
  if (!prologue.active) {
    memcpy(dst, src, sizeof(float) * pixels * channels);
    return;
  }
  if (channels < kWidth) {
    copy_few_channels(src, dst, pixels * channels, channels, prologue);
    return;
  }
  for (int c = 0; c < channels; c += kWidth) {
    const Vector::Mask mask = Vector::first(channels - c);
    const Vector::Float scale =
        prologue.scale ? Vector::load(prologue.scale + c, mask) : Vector::splat(1.0f);
    const Vector::Float shift =
        prologue.shift ? Vector::load(prologue.shift + c, mask) : Vector::zero();
    for (ptrdiff_t p = 0; p < pixels; ++p) {
      const Vector::Float v = Vector::load(src + p * channels + c, mask);
      Vector::store(dst + p * channels + c, apply(prologue, v, scale, shift), mask);
    }
  }
}

// Fills one item's padded input, whose first row is input row `first_row` (may be negative).
void fill_item(const GatherPlan& plan, const Layout& layout, const float* image, int first_row,
               float* buffer, const PixelPrologue& prologue) {
  const int channels = plan.in_c;
  const int left = min_of(layout.buffer_cols, max_of(0, -plan.min_col));
  const int right = max_of(left, min_of(layout.buffer_cols, plan.in_w - plan.min_col));
  for (int r = 0; r < layout.buffer_rows; ++r) {
    float* row = buffer + layout.row_pitch * r;
    const int y = first_row + r;
    if (y < 0 || y >= plan.in_h) {
      memset(row, 0, sizeof(float) * layout.row_pitch);
      continue;
    }
    memset(row, 0, sizeof(float) * left * channels);
    copy_pixels(image + (static_cast<ptrdiff_t>(y) * plan.in_w + plan.min_col + left) * channels,
                row + static_cast<ptrdiff_t>(left) * channels, right - left, channels, prologue);
    memset(row + static_cast<ptrdiff_t>(right) * channels, 0,
           sizeof(float) * (layout.buffer_cols - right) * channels);
  }
}

// ---- gather: forward and backward_input ----

struct GatherStep {
  ptrdiff_t offset;  // of the segment's first float from a group's anchor
  int steps;
};

// Where a group's results go. The last group of a row overlaps its neighbour and stores only its
// pixels from `first` on.
struct GroupPlace {
  ptrdiff_t dst;
  ptrdiff_t first;
};

struct GatherKernelArgs {
  const GatherStep* segments;
  int segment_count;
  bool split;           // add the segments' sums up apart
  ptrdiff_t src_pixel;  // floats between a group's neighbouring pixels
  PackedView packed;
  ptrdiff_t packed_begin;
  float* dst;
  ptrdiff_t dst_pixel;
  int pixels;  // valid pixels of a group: kGroup, or fewer in narrow images
  bool whole;  // every group has kGroup pixels of its own, and there is no epilogue
  Vector::Mask last_mask;
  const float* add;         // at dst's place, or null
  const float* gate;        // likewise
  const float* gate_scale;  // at the panel's first channel, or null
  const float* gate_shift;
};

Vector::Float finish(const GatherKernelArgs& args, Vector::Float v, ptrdiff_t offset, int lane,
                     Vector::Mask mask) {
  if (args.gate) {
    Vector::Float condition = Vector::load(args.gate + offset, mask);
    const Vector::Float scale =
        args.gate_scale ? Vector::load(args.gate_scale + lane, mask) : Vector::splat(1.0f);
    const Vector::Float shift =
        args.gate_shift ? Vector::load(args.gate_shift + lane, mask) : Vector::zero();
    condition = Vector::fma(condition, scale, shift);
    v = Vector::keep_positive(condition, Vector::mul(v, scale));
  }
  if (args.add) v = Vector::add(v, Vector::load(args.add + offset, mask));
  return v;
}

// G groups of 4 pixels by V vectors of output channels.
template <class Element, int G, int V, int P>
void gather_kernel(const GatherKernelArgs& args, const float* const* anchors,
                   const GroupPlace* places) {
  Vector::Float acc[G * kGroup][V];
#pragma GCC unroll 32
  for (int i = 0; i < G * kGroup; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) acc[i][v] = Vector::zero();
  }
  alignas(64) float totals[G * kGroup * V * kWidth];
  const Element* w = args.packed.template as<Element>() + args.packed_begin;
  const ptrdiff_t s1 = args.src_pixel;
  const ptrdiff_t s2 = 2 * s1;
  const ptrdiff_t s3 = 3 * s1;
  for (int s = 0; s < args.segment_count; ++s) {
    const float* src[G];
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) src[g] = anchors[g] + args.segments[s].offset;
    for (int k = args.segments[s].steps; k > 0; --k) {
      Vector::Float b[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) b[v] = Vector::load(w + v * kWidth);
#pragma GCC unroll 8
      for (int g = 0; g < G; ++g) {
        const Vector::Float a0 = Vector::template broadcast<P>(src[g]);
        const Vector::Float a1 = Vector::template broadcast<P>(src[g] + s1);
        const Vector::Float a2 = Vector::template broadcast<P>(src[g] + s2);
        const Vector::Float a3 = Vector::template broadcast<P>(src[g] + s3);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          acc[g * kGroup + 0][v] = Vector::fma(a0, b[v], acc[g * kGroup + 0][v]);
          acc[g * kGroup + 1][v] = Vector::fma(a1, b[v], acc[g * kGroup + 1][v]);
          acc[g * kGroup + 2][v] = Vector::fma(a2, b[v], acc[g * kGroup + 2][v]);
          acc[g * kGroup + 3][v] = Vector::fma(a3, b[v], acc[g * kGroup + 3][v]);
        }
        src[g] += P;
      }
      w += V * kWidth;
    }
    if (!args.split) continue;
#pragma GCC unroll 32
    for (int i = 0; i < G * kGroup; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        float* total = totals + (i * V + v) * kWidth;
        if (s > 0) acc[i][v] = Vector::add(Vector::load(total), acc[i][v]);
        if (s + 1 == args.segment_count) continue;
        Vector::store(total, acc[i][v]);
        acc[i][v] = Vector::zero();
      }
    }
  }
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) {
    if constexpr (P > 1) {
      Vector::Float sums[kGroup][V];
      Vector::Float totals[kGroup];
#pragma GCC unroll 4
      for (int p = 0; p < kGroup; ++p) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sums[p][v] = acc[g * kGroup + p][v];
      }
      Packed<P>::template fold<P, V>(sums, totals);
      constexpr int kLanes = V * kWidth / P;
#pragma GCC unroll 4
      for (int p = 0; p < kGroup; ++p) {
        if (!args.whole && (p < places[g].first || p >= args.pixels)) continue;
        const ptrdiff_t at = places[g].dst + p * args.dst_pixel;
        const Vector::Float r =
            args.whole ? totals[p] : finish(args, totals[p], at, 0, args.last_mask);
        Packed<P>::template store_part<kLanes>(args.dst + at, r, args.last_mask);
      }
    } else {
#pragma GCC unroll 4
      for (int p = 0; p < kGroup; ++p) {
        if (!args.whole && (p < places[g].first || p >= args.pixels)) continue;
        const ptrdiff_t offset = places[g].dst + p * args.dst_pixel;
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          const Vector::Mask mask = v + 1 == V ? args.last_mask : Vector::first(kWidth);
          const ptrdiff_t at = offset + v * kWidth;
          Vector::Float r = acc[g * kGroup + p][v];
          if (!args.whole) r = finish(args, r, at, v * kWidth, mask);
          Vector::store(args.dst + at, r, mask);
        }
      }
    }
  }
}

using GatherKernel = void (*)(const GatherKernelArgs&, const float* const*, const GroupPlace*);

template <class Element, int V, int P, int G>
GatherKernel gather_kernel_of(int groups) {
  if constexpr (G <= 1) {
    return gather_kernel<Element, 1, V, P>;
  } else {
    return groups == G ? gather_kernel<Element, G, V, P>
                       : gather_kernel_of<Element, V, P, G - 1>(groups);
  }
}

template <class Element>
GatherKernel gather_kernel_for(int groups, int vectors, int pack) {
  constexpr int kWide = Vector::kGroupsWide;
  constexpr int kNarrow = Vector::kGroupsNarrow;
  if constexpr (Vector::kMaxPack > 1) {
    if (pack == 4 && vectors == 2) return gather_kernel_of<Element, 2, 4, kWide>(groups);
    if (pack == 4) return gather_kernel_of<Element, 1, 4, kNarrow>(groups);
    if (pack == 2) return gather_kernel_of<Element, 2, 2, kWide>(groups);
  }
  return vectors == 2 ? gather_kernel_of<Element, 2, 1, kWide>(groups)
                      : gather_kernel_of<Element, 1, 1, kNarrow>(groups);
}

void run_gather(const GatherPlan& plan, const float* src, const PackedView& packed, float* dst,
                const Prologue& prologue, const Epilogue& epilogue, Workspace& workspace,
                int threads) {
  const Panels panels = panels_of(plan.out_c);
  const Layout layout =
      layout_of(plan, panels, prologue.active(), threads,
                packed_elements(plan) <= kSmallFilterFloats ? kSmallUnitBytes : kUnitBytes);
  const ptrdiff_t items = static_cast<ptrdiff_t>(plan.batch) * layout.bands;
  const int slices = static_cast<int>(items < threads ? items : threads);
  const ptrdiff_t max_groups = static_cast<ptrdiff_t>(layout.unit_items) * layout.band_rows *
                               ceil_div(plan.max_cols, kGroup);
  float* buffers = take<float>(workspace, layout.buffer_floats * slices);
  const float** anchors = take<const float*>(workspace, max_groups * slices);
  GroupPlace* places = take<GroupPlace>(workspace, max_groups * slices);
  int total_segments = 0;
  for (int p = 0; p < plan.phase_count; ++p) total_segments += plan.phases[p].segments;
  GatherStep* steps = take<GatherStep>(workspace, total_segments);
  for (int s = 0; s < total_segments; ++s) {
    const Segment& segment = plan.segments[s];
    steps[s].offset = (segment.row - plan.min_row) * layout.row_pitch +
                      static_cast<ptrdiff_t>(segment.col - plan.min_col) * plan.in_c;
    steps[s].steps = segment_steps(plan, segment, panels.pack);
  }
  const auto kernel_for = packed.precision == Precision::bfloat16 ? gather_kernel_for<Bfloat16>
                                                                  : gather_kernel_for<float>;
  const PixelPrologue pixel_prologue(prologue, plan.in_c);
  const ptrdiff_t in_image = static_cast<ptrdiff_t>(plan.in_h) * plan.in_w * plan.in_c;
  const ptrdiff_t out_row = static_cast<ptrdiff_t>(plan.out_w) * plan.out_c;
  const ptrdiff_t out_image = out_row * plan.out_h;

  for_slices(slices, [&](int slice) {
    float* buffer = buffers + layout.buffer_floats * slice;
    if (layout.copy) {
      const size_t filled = layout.item_pitch * layout.unit_items;
      memset(buffer + filled, 0, sizeof(float) * (layout.buffer_floats - filled));
    }
    const float** my_anchors = anchors + max_groups * slice;
    GroupPlace* my_places = places + max_groups * slice;
    const ptrdiff_t end = items * (slice + 1) / slices;
    for (ptrdiff_t item = items * slice / slices; item < end;) {
      const int unit = static_cast<int>(
          end - item < layout.unit_items ? end - item : layout.unit_items);
      for (int i = 0; layout.copy && i < unit; ++i) {
        const ptrdiff_t image = (item + i) / layout.bands;
        const int band = static_cast<int>((item + i) % layout.bands);
        fill_item(plan, layout, src + image * in_image,
                  band * layout.band_rows * plan.in_step_h + plan.min_row,
                  buffer + layout.item_pitch * i, pixel_prologue);
      }
      ptrdiff_t phase_begin = 0;
      for (int p = 0; p < plan.phase_count; ++p) {
        const Phase& phase = plan.phases[p];
        const ptrdiff_t phase_step_count = phase_steps(plan, phase, panels.pack);
        int groups = 0;
        for (int i = 0; i < unit; ++i) {
          const ptrdiff_t image = (item + i) / layout.bands;
          const int first = static_cast<int>((item + i) % layout.bands) * layout.band_rows;
          const float* base = layout.copy
                             ? buffer + layout.item_pitch * i
                             : src + image * in_image +
                                   (static_cast<ptrdiff_t>(first) * plan.in_step_h +
                                    plan.min_row) * layout.row_pitch +
                                   static_cast<ptrdiff_t>(plan.min_col) * plan.in_c;
          const int last = min_of(first + layout.band_rows, phase.rows);
          for (int y = first; y < last; ++y) {
            const float* row = base + (y - first) * plan.in_step_h * layout.row_pitch;
            const ptrdiff_t out = image * out_image +
                                  (static_cast<ptrdiff_t>(y) * plan.out_step_h + phase.out_y) *
                                      out_row +
                                  static_cast<ptrdiff_t>(phase.out_x) * plan.out_c;
            for (int x0 = 0; x0 < phase.cols; x0 += kGroup) {
              const int x = x0 + kGroup <= phase.cols ? x0 : max_of(0, phase.cols - kGroup);
              my_anchors[groups] = row + static_cast<ptrdiff_t>(x) * plan.in_step_w * plan.in_c;
              my_places[groups] = {
                  out + static_cast<ptrdiff_t>(x) * plan.out_step_w * plan.out_c, x0 - x};
              ++groups;
            }
          }
        }
        GatherKernelArgs args{};
        args.packed = packed;
        args.segments = steps + phase.first_segment;
        args.segment_count = phase.segments;
        args.split = phase_step_count > kLongChain && phase.segments > 1;
        args.src_pixel = static_cast<ptrdiff_t>(plan.in_step_w) * plan.in_c;
        args.dst_pixel = static_cast<ptrdiff_t>(plan.out_step_w) * plan.out_c;
        args.pixels = min_of(kGroup, phase.cols);
        args.whole = phase.cols % kGroup == 0 && !epilogue.active();
        for (int panel = 0; panel < panels.count && groups > 0; ++panel) {
          const int vectors = panels.vectors(panel);
          const int channel = panel * 2 * kWidth;
          args.packed_begin = phase_begin + phase_step_count * channel;
          args.dst = dst + channel;
          args.last_mask = panels.mask(panel);
          args.add = epilogue.add ? epilogue.add + channel : nullptr;
          args.gate = epilogue.gate ? epilogue.gate + channel : nullptr;
          args.gate_scale = epilogue.gate_scale ? epilogue.gate_scale + channel : nullptr;
          args.gate_shift = epilogue.gate_shift ? epilogue.gate_shift + channel : nullptr;
          const int widest = vectors == 2 ? Vector::kGroupsWide : Vector::kGroupsNarrow;
          const int calls = ceil_div(groups, widest);
          for (int call = 0, g = 0; call < calls; ++call) {
            const int count = ceil_div(groups - g, calls - call);
            kernel_for(count, vectors, panels.pack)(args, my_anchors + g, my_places + g);
            g += count;
          }
        }
        phase_begin += phase_elements(plan, phase, panels);
      }
      item += unit;
    }
  });
}

// ---- backward_filter ----

struct FilterKernelArgs {
  const float* const* src_rows;  // one per output row: the input float of its first pixel
  const float* const* dy_rows;
  int rows, cols;
  ptrdiff_t src_offset;  // of the block's first input float
  ptrdiff_t src_pixel;
  ptrdiff_t dy_offset;  // of the panel's first channel
  ptrdiff_t dy_pixel;
  Vector::Mask last_mask;
};

// sums[r][v] += sum over pixels of src[P floats at r] * dy[v]. The unit's own sum starts from zero: two
// levels of summation lose less than one long chain.
template <int R, int V, int P>
void filter_kernel(const FilterKernelArgs& args, float* sums) {
  Vector::Float acc[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) acc[r][v] = Vector::zero();
  }
  for (int y = 0; y < args.rows; ++y) {
    const float* src = args.src_rows[y] + args.src_offset;
    const float* dy = args.dy_rows[y] + args.dy_offset;
    for (int x = args.cols; x > 0; --x) {
      Vector::Float b[V];
      if constexpr (P > 1) {
        constexpr int kLanes = V * kWidth / P;
        Packed<P>::template spread<P, V>(
            Packed<P>::template load_part<kLanes>(dy, args.last_mask), b);
      } else {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          b[v] = v + 1 == V ? Vector::load(dy + v * kWidth, args.last_mask)
                            : Vector::load(dy + v * kWidth);
        }
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const Vector::Float a = Vector::template broadcast<P>(src + r * P);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) acc[r][v] = Vector::fma(a, b[v], acc[r][v]);
      }
      src += args.src_pixel;
      dy += args.dy_pixel;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      float* sum = sums + (r * V + v) * kWidth;
      Vector::store(sum, Vector::add(Vector::load(sum), acc[r][v]));
    }
  }
}

using FilterKernel = void (*)(const FilterKernelArgs&, float*);

template <int V, int P, int R>
FilterKernel filter_kernel_of(int rows) {
  if constexpr (R <= 1) {
    return filter_kernel<1, V, P>;
  } else {
    return rows == R ? filter_kernel<R, V, P> : filter_kernel_of<V, P, R - 1>(rows);
  }
}

FilterKernel filter_kernel_for(int rows, int vectors, int pack) {
  constexpr int kWide = Vector::kFilterRowsWide;
  constexpr int kNarrow = Vector::kFilterRowsNarrow;
  if constexpr (Vector::kMaxPack > 1) {
    if (pack == 4 && vectors == 2) return filter_kernel_of<2, 4, kWide>(rows);
    if (pack == 4) return filter_kernel_of<1, 4, kNarrow>(rows);
    if (pack == 2) return filter_kernel_of<2, 2, kWide>(rows);
  }
  return vectors == 2 ? filter_kernel_of<2, 1, kWide>(rows)
                      : filter_kernel_of<1, 1, kNarrow>(rows);
}

void run_filter(const GatherPlan& plan, const float* x, const float* dy, float* dw,
                const Prologue& prologue, Workspace& workspace, int threads) {
  const Panels panels = panels_of(plan.out_c);
  const int pack = panels.pack;
  // Small units stay in L1, but long sums per unit save passes over the accumulators.
  const size_t pixel_bytes = sizeof(float) * plan.in_step_h * plan.in_step_w * plan.in_c;
  size_t unit_bytes = pixel_bytes * kFilterUnitPixels;
  if (unit_bytes < kFilterUnitBytes) unit_bytes = kFilterUnitBytes;
  if (unit_bytes > kUnitBytes) unit_bytes = kUnitBytes;
  const Layout layout = layout_of(plan, panels, prologue.active(), threads, unit_bytes);
  const Phase& phase = plan.phases[0];
  const ptrdiff_t items = static_cast<ptrdiff_t>(plan.batch) * layout.bands;
  const int slices = static_cast<int>(items < threads ? items : threads);
  const ptrdiff_t max_rows = static_cast<ptrdiff_t>(layout.unit_items) * layout.band_rows;
  const int steps = phase_steps(plan, phase, pack);
  const size_t sum_floats = phase_elements(plan, phase, panels);
  float* buffers = take<float>(workspace, layout.buffer_floats * slices);
  float* sums = take<float>(workspace, sum_floats * slices);
  const float** src_rows = take<const float*>(workspace, max_rows * slices);
  const float** dy_rows = take<const float*>(workspace, max_rows * slices);
  const PixelPrologue pixel_prologue(prologue, plan.in_c);
  const ptrdiff_t in_image = static_cast<ptrdiff_t>(plan.in_h) * plan.in_w * plan.in_c;
  const ptrdiff_t out_row = static_cast<ptrdiff_t>(plan.out_w) * plan.out_c;

  for_slices(slices, [&](int slice) {
    float* buffer = buffers + layout.buffer_floats * slice;
    float* my_sums = sums + sum_floats * slice;
    memset(my_sums, 0, sizeof(float) * sum_floats);
    if (layout.copy) {
      const size_t filled = layout.item_pitch * layout.unit_items;
      memset(buffer + filled, 0, sizeof(float) * (layout.buffer_floats - filled));
    }
    FilterKernelArgs args{};
    const float** my_src = src_rows + max_rows * slice;
    const float** my_dy = dy_rows + max_rows * slice;
    args.src_rows = my_src;
    args.dy_rows = my_dy;
    args.cols = phase.cols;
    args.src_pixel = static_cast<ptrdiff_t>(plan.in_step_w) * plan.in_c;
    args.dy_pixel = plan.out_c;
    const ptrdiff_t end = items * (slice + 1) / slices;
    for (ptrdiff_t item = items * slice / slices; item < end;) {
      const int unit = static_cast<int>(
          end - item < layout.unit_items ? end - item : layout.unit_items);
      args.rows = 0;
      for (int i = 0; i < unit; ++i) {
        const ptrdiff_t image = (item + i) / layout.bands;
        const int first = static_cast<int>((item + i) % layout.bands) * layout.band_rows;
        const int first_input = first * plan.in_step_h + plan.min_row;
        const float* base = buffer + layout.item_pitch * i;
        if (layout.copy) {
          fill_item(plan, layout, x + image * in_image, first_input,
                    buffer + layout.item_pitch * i, pixel_prologue);
        } else {
          base = x + image * in_image + first_input * layout.row_pitch +
                 static_cast<ptrdiff_t>(plan.min_col) * plan.in_c;
        }
        const int last = min_of(first + layout.band_rows, phase.rows);
        for (int y = first; y < last; ++y) {
          my_src[args.rows] = base + (y - first) * plan.in_step_h * layout.row_pitch;
          my_dy[args.rows] = dy + (image * plan.out_h + y) * out_row;
          ++args.rows;
        }
      }
      for (int panel = 0; panel < panels.count; ++panel) {
        const int vectors = panels.vectors(panel);
        const int widest = vectors == 2 ? Vector::kFilterRowsWide : Vector::kFilterRowsNarrow;
        args.dy_offset = static_cast<ptrdiff_t>(panel) * 2 * kWidth;
        args.last_mask = panels.mask(panel);
        float* out = my_sums + static_cast<ptrdiff_t>(steps) * panel * 2 * kWidth;
        for (int s = 0; s < phase.segments; ++s) {
          const Segment& segment = plan.segments[phase.first_segment + s];
          const ptrdiff_t offset = (segment.row - plan.min_row) * layout.row_pitch +
                                   static_cast<ptrdiff_t>(segment.col - plan.min_col) * plan.in_c;
          const int rows = segment_steps(plan, segment, pack);
          const int calls = ceil_div(rows, widest);
          for (int call = 0, r = 0; call < calls; ++call) {
            const int count = ceil_div(rows - r, calls - call);
            args.src_offset = offset + static_cast<ptrdiff_t>(r) * pack;
            filter_kernel_for(count, vectors, pack)(args, out);
            out += static_cast<ptrdiff_t>(count) * vectors * kWidth;
            r += count;
          }
        }
      }
      item += unit;
    }
  });

  // Sums the slices in order and writes HWIO.
  const int reducers = sum_floats < 32768 ? 1 : threads;
  for_slices(reducers, [&](int reducer) {
    for (int panel = 0; panel < panels.count; ++panel) {
      const int vectors = panels.vectors(panel);
      const int channels = panels.channels(panel);
      const int channel = panel * 2 * kWidth;
      const float* panel_sums = sums + static_cast<ptrdiff_t>(steps) * channel;
      ptrdiff_t first_step = 0;
      for (int s = 0; s < phase.segments; ++s) {
        const Segment& segment = plan.segments[phase.first_segment + s];
        const Tap& tap = plan.taps[segment.first_tap];
        const ptrdiff_t first_row =
            (static_cast<ptrdiff_t>(tap.kernel_y) * plan.kernel_w + tap.kernel_x) * plan.in_c;
        const int flats = segment.taps * plan.in_c;
        const int begin = static_cast<int>(static_cast<int64_t>(flats) * reducer / reducers);
        const int end = static_cast<int>(static_cast<int64_t>(flats) * (reducer + 1) / reducers);
        for (int flat = begin; flat < end; ++flat) {
          const float* sum = panel_sums + (first_step + flat / pack) * vectors * kWidth;
          float* out = dw + (first_row + flat) * plan.filter_out_c + channel;
          if (pack > 1) {
            for (int l = 0; l < channels; ++l) {
              float total = 0.0f;
              for (int t = 0; t < slices; ++t) {
                total += sum[sum_floats * t + l * pack + flat % pack];
              }
              out[l] = total;
            }
            continue;
          }
          for (int l = 0; l < channels; l += kWidth) {
            const Vector::Mask mask = Vector::first(channels - l);
            Vector::Float total = Vector::load(sum + l);
            for (int t = 1; t < slices; ++t) {
              total = Vector::add(total, Vector::load(sum + sum_floats * t + l));
            }
            Vector::store(out + l, total, mask);
          }
        }
        first_step += segment_steps(plan, segment, pack);
      }
    }
  });
}

constexpr DirectKernels kDirectKernels = {packed_elements, pack_filter, run_gather, run_filter};

}  // namespace
}  // namespace percept::conv
