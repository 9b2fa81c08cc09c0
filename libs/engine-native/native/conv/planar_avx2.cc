#include <algorithm>
#include <cstring>

#include "planar.h"
#include "slices.h"
#include "vector_avx2.h"

namespace percept::conv {

namespace {

constexpr int kLanes = Vector::kWidth;

// Vectors of pixels whose sums stay in registers, by the number of channels of dx.
constexpr int kVectors[5] = {0, 8, 6, 4, 2};

struct Geometry {
  int channels;  // of dy
  int pad_top, pad_left;
  int padded_w;  // of dx's rows
  int columns;   // of a row of planes
  size_t row_floats;
};

Geometry geometry_of(const Conv2dShape& s) {
  const int group = kVectors[s.in_c] * kLanes;
  const int padded = (s.in_w + group - 1) / group * group;
  const int columns = (padded + s.kernel_w - 1 + kLanes - 1) / kLanes * kLanes;
  return {s.out_c,  s.kernel_h - 1 - s.pad_top, s.kernel_w - 1 - s.pad_left,
          padded, columns, static_cast<size_t>(s.out_c) * columns};
}

void transpose(const float* from, ptrdiff_t from_stride, float* to, ptrdiff_t to_stride) {
  __m256 r[kLanes];
  __m256 t[kLanes];
  for (int i = 0; i < kLanes; ++i) r[i] = _mm256_loadu_ps(from + i * from_stride);
  for (int i = 0; i < kLanes; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < kLanes; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

// planes[channel][column] of one row of dy, zero outside of it.
void fill_planes(const Conv2dShape& s, const Geometry& g, const float* row, float* planes) {
  memset(planes, 0, g.row_floats * sizeof(float));
  const int first = std::max(0, -g.pad_left);
  const int end = std::min(s.out_w, g.columns - g.pad_left);
  for (int c = 0; c < g.channels; c += kLanes) {
    float* to = planes + static_cast<ptrdiff_t>(c) * g.columns + g.pad_left;
    const float* from = row + c;
    int x = first;
    for (; x + kLanes <= end; x += kLanes) {
      transpose(from + static_cast<ptrdiff_t>(x) * g.channels, g.channels, to + x, g.columns);
    }
    for (; x < end; ++x) {
      for (int lane = 0; lane < kLanes; ++lane) {
        to[static_cast<ptrdiff_t>(lane) * g.columns + x] =
            from[static_cast<ptrdiff_t>(x) * g.channels + lane];
      }
    }
  }
}

// sums[r][pixel] of kVectors[R] vectors of pixels; `rows` are the planes that each of the filter's rows meets, or null.
template <int R>
void sum_pixels(const Conv2dShape& s, const Geometry& g, const float* const* rows, int x,
                const float* packed, float* sums) {
  constexpr int N = kVectors[R];
  __m256 acc[R][N];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) acc[r][v] = _mm256_setzero_ps();
  }
  for (int i = 0; i < s.kernel_h; ++i) {
    const float* w = packed + static_cast<ptrdiff_t>(i) * g.channels * s.kernel_w * R;
    if (rows[i] == nullptr) continue;
    const float* plane = rows[i] + x;
    for (int c = 0; c < g.channels; ++c, plane += g.columns) {
      for (int j = 0; j < s.kernel_w; ++j, w += R) {
        __m256 weight[R];
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) weight[r] = _mm256_broadcast_ss(w + r);
#pragma GCC unroll 8
        for (int v = 0; v < N; ++v) {
          const __m256 pixels = _mm256_loadu_ps(plane + j + v * kLanes);
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) acc[r][v] = _mm256_fmadd_ps(weight[r], pixels, acc[r][v]);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) {
      _mm256_storeu_ps(sums + static_cast<ptrdiff_t>(r) * g.padded_w + x + v * kLanes, acc[r][v]);
    }
  }
}

// Interleaves one row's sums into dx from float `at` on, through the epilogue.
template <int R>
void store_row(const Conv2dShape& s, const Geometry& g, const float* sums, float* dx, ptrdiff_t at,
               const Epilogue& epilogue) {
  for (int r = 0; r < R; ++r) {
    const float* from = sums + static_cast<ptrdiff_t>(r) * g.padded_w;
    if (!epilogue.active()) {
      for (int x = 0; x < s.in_w; ++x) dx[at + static_cast<ptrdiff_t>(x) * R + r] = from[x];
      continue;
    }
    const float scale = epilogue.gate && epilogue.gate_scale ? epilogue.gate_scale[r] : 1.0f;
    const float shift = epilogue.gate && epilogue.gate_shift ? epilogue.gate_shift[r] : 0.0f;
    for (int x = 0; x < s.in_w; ++x) {
      const ptrdiff_t to = at + static_cast<ptrdiff_t>(x) * R + r;
      float value = from[x];
      if (epilogue.gate) {
        value = __builtin_fmaf(epilogue.gate[to], scale, shift) > 0.0f ? value * scale : 0.0f;
      }
      dx[to] = epilogue.add ? value + epilogue.add[to] : value;
    }
  }
}

// Rows [begin, end) of one image. The planes of the last kernel_h rows of dy take turns in `planes`.
template <int R>
void compute_rows(const Conv2dShape& s, const Geometry& g, const float* dy, const float* packed,
                  float* dx, int image, int begin, int end, const Epilogue& epilogue,
                  float* planes, float* sums) {
  const ptrdiff_t dy_row = static_cast<ptrdiff_t>(s.out_w) * s.out_c;
  const float* source = dy + dy_row * s.out_h * image;
  int filled = std::max(0, begin - g.pad_top);
  for (int y = begin; y < end; ++y) {
    const int first = y - g.pad_top;
    for (; filled < std::min(s.out_h, first + s.kernel_h); ++filled) {
      fill_planes(s, g, source + dy_row * filled, planes + g.row_floats * (filled % s.kernel_h));
    }
    const float* rows[8];
    for (int i = 0; i < s.kernel_h; ++i) {
      const int row = first + i;
      const bool inside = row >= 0 && row < s.out_h;
      rows[i] = inside ? planes + g.row_floats * (row % s.kernel_h) : nullptr;
    }
    for (int x = 0; x < g.padded_w; x += kVectors[R] * kLanes) {
      sum_pixels<R>(s, g, rows, x, packed, sums);
    }
    const ptrdiff_t at = (static_cast<ptrdiff_t>(image) * s.in_h + y) * s.in_w * R;
    store_row<R>(s, g, sums, dx, at, epilogue);
  }
}

}  // namespace

void planar_backward_input_avx2(const Conv2dShape& s, const float* dy, const float* packed,
                                float* dx, const Epilogue& epilogue, Workspace& workspace,
                                int threads) {
  const Geometry g = geometry_of(s);
  constexpr decltype(&compute_rows<1>) kByChannels[] = {nullptr, compute_rows<1>, compute_rows<2>,
                                                        compute_rows<3>, compute_rows<4>};
  const auto compute = kByChannels[s.in_c];
  // An image is one task, or with few images so many that no thread waits long.
  const int bands = std::min(s.in_h, s.batch >= 2 * threads ? 1 : (4 * threads - 1) / s.batch + 1);
  const int tasks = s.batch * bands;
  const int slices = std::min(threads, tasks);
  const size_t plane_floats = g.row_floats * s.kernel_h;
  const size_t slice_floats = (plane_floats + static_cast<size_t>(s.in_c) * g.padded_w + 15) / 16 * 16;
  float* scratch = workspace.take(slice_floats * slices);
  for_slices(slices, [&](int slice) {
    float* planes = scratch + slice_floats * slice;
    const int end = static_cast<int>(share(tasks, slice + 1, slices));
    for (int task = static_cast<int>(share(tasks, slice, slices)); task < end; ++task) {
      const int band = task % bands;
      const int from = static_cast<int>(share(s.in_h, band, bands));
      const int to = static_cast<int>(share(s.in_h, band + 1, bands));
      compute(s, g, dy, packed, dx, task / bands, from, to, epilogue, planes,
              planes + plane_floats);
    }
  });
}

}  // namespace percept::conv
