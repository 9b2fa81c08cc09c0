// Winograd kernels, written once over `Vector` and compiled once per instruction set: the including
// file provides `Vector`. Everything has internal linkage, so that no function built for one
// instruction set can be linked into another's path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "slices.h"
#include "winograd.h"
#include "winograd_schemes.h"

namespace percept::conv {

namespace {

constexpr int kLanes = Vector::kWidth;
constexpr int kMaxVectors = 2;  // of output channels in a panel
constexpr ptrdiff_t kLineFloats = 16;

// ---- tiles ----

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
constexpr int min_of(int a, int b) { return a < b ? a : b; }
constexpr int max_of(int a, int b) { return a > b ? a : b; }

struct Tiles {
  int per_row, per_column, per_image;
  int total;
};

template <class Scheme>
Tiles tiles_of(const WinogradProblem& problem) {
  Tiles tiles;
  tiles.per_row = ceil_div(problem.out_w, Scheme::kOut);
  tiles.per_column = ceil_div(problem.out_h, Scheme::kOut);
  tiles.per_image = tiles.per_row * tiles.per_column;
  tiles.total = tiles.per_image * problem.batch;
  return tiles;
}

struct TilePlace {
  int image;
  int row, column;
};

inline TilePlace place_of(const Tiles& tiles, int tile) {
  const int image = tile / tiles.per_image;
  const int in_image = tile - image * tiles.per_image;
  const int row = in_image / tiles.per_row;
  return {image, row, in_image - row * tiles.per_row};
}

struct InputPrologue {
  bool active, relu;
  const float* scale;
  const float* shift;
};

inline V apply(const InputPrologue& prologue, V value, V scale, V shift) {
  value = fma(value, scale, shift);
  return prologue.relu ? Vector::relu(value) : value;
}

// Transforms one vector of channels of one tile's input patch; positions lie `stride` apart in `out`.
template <class Scheme, bool Interior, bool Fused>
inline void transform_patch(const WinogradProblem& problem, const float* image, int y0, int x0,
                            int channel, const InputPrologue& prologue, float* out,
                            ptrdiff_t stride) {
  constexpr int kPatch = Scheme::kPatch;
  constexpr int kPoints = Scheme::kPoints;
  alignas(64) float columns[kPoints * kPatch * kLanes];
  const ptrdiff_t pixel = problem.in_c;
  const ptrdiff_t row = pixel * problem.in_w;
  const float* origin = image + y0 * row + x0 * pixel + channel;
  V scale = splat(1.0);
  V shift = Vector::zero();
  if constexpr (Fused) {
    if (prologue.scale) scale = load(prologue.scale + channel);
    if (prologue.shift) shift = load(prologue.shift + channel);
  }
  for (int j = 0; j < kPatch; ++j) {
    V d[kPatch];
    V t[kPoints];
#pragma GCC unroll 9
    for (int i = 0; i < kPatch; ++i) {
      if (Interior || (static_cast<unsigned>(y0 + i) < static_cast<unsigned>(problem.in_h) &&
                       static_cast<unsigned>(x0 + j) < static_cast<unsigned>(problem.in_w))) {
        d[i] = load(origin + i * row + j * pixel);
        if constexpr (Fused) d[i] = apply(prologue, d[i], scale, shift);
      } else {
        d[i] = Vector::zero();
      }
    }
    Scheme::input(d, t);
#pragma GCC unroll 9
    for (int i = 0; i < kPoints; ++i) store(columns + (i * kPatch + j) * kLanes, t[i]);
  }
  for (int i = 0; i < kPoints; ++i) {
    V d[kPatch];
    V t[kPoints];
#pragma GCC unroll 9
    for (int j = 0; j < kPatch; ++j) d[j] = load(columns + (i * kPatch + j) * kLanes);
    Scheme::input(d, t);
#pragma GCC unroll 9
    for (int j = 0; j < kPoints; ++j) store(out + (i * kPoints + j) * stride, t[j]);
  }
}

// out_at(vector of channels) gives a tile's place for position 0; positions lie `stride` apart.
template <class Scheme, class OutAt>
inline void transform_input_tile(const WinogradProblem& problem, const float* src,
                                 const TilePlace& place, const InputPrologue& prologue,
                                 ptrdiff_t stride, const OutAt& out_at) {
  const float* image =
      src + static_cast<ptrdiff_t>(place.image) * problem.in_h * problem.in_w * problem.in_c;
  const int y0 = place.row * Scheme::kAdvance - problem.pad_top;
  const int x0 = place.column * Scheme::kAdvance - problem.pad_left;
  const bool interior = y0 >= 0 && x0 >= 0 && y0 + Scheme::kPatch <= problem.in_h &&
                        x0 + Scheme::kPatch <= problem.in_w;
  for (int channel = 0; channel < problem.in_c; channel += kLanes) {
    float* out = out_at(channel / kLanes);
    const auto transform = prologue.active
                               ? (interior ? transform_patch<Scheme, true, true>
                                           : transform_patch<Scheme, false, true>)
                               : (interior ? transform_patch<Scheme, true, false>
                                           : transform_patch<Scheme, false, false>);
    transform(problem, image, y0, x0, channel, prologue, out, stride);
  }
}

// Transforms N neighbouring vectors of channels of one tile's products (positions `stride` apart) into its output pixels.
// Stream: past the caches, for results that would only push other data out of them. A pixel's vectors are stored one
// after the other, since memory takes half lines slowly.
template <class Scheme, int N, bool Fused, bool Stream>
inline void transform_output_tile(const WinogradProblem& problem, const float* products,
                                  ptrdiff_t stride, const TilePlace& place, int channel, float* dst,
                                  const Epilogue& epilogue) {
  constexpr int kPoints = Scheme::kPoints;
  constexpr int kOut = Scheme::kOut;
  alignas(64) float rows[kOut * kPoints * N * kLanes];
  for (int j = 0; j < kPoints; ++j) {
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) {
      V m[kPoints];
      V y[kOut];
#pragma GCC unroll 9
      for (int i = 0; i < kPoints; ++i) {
        m[i] = load(products + (i * kPoints + j) * stride + v * kLanes);
      }
      Scheme::output(m, y);
#pragma GCC unroll 8
      for (int i = 0; i < kOut; ++i) store(rows + ((i * kPoints + j) * N + v) * kLanes, y[i]);
    }
  }
  const int height = min_of(kOut, problem.out_h - place.row * kOut);
  const int width = min_of(kOut, problem.out_w - place.column * kOut);
  const ptrdiff_t pixel = problem.out_c;
  const ptrdiff_t row = pixel * problem.out_w;
  const ptrdiff_t origin =
      (static_cast<ptrdiff_t>(place.image) * problem.out_h + place.row * kOut) * row +
      place.column * kOut * pixel + channel;
  V scale[N];
  V shift[N];
#pragma GCC unroll 2
  for (int v = 0; v < N; ++v) {
    const int first = channel + v * kLanes;
    scale[v] = Fused && epilogue.gate && epilogue.gate_scale ? load(epilogue.gate_scale + first)
                                                             : splat(1.0);
    shift[v] = Fused && epilogue.gate && epilogue.gate_shift ? load(epilogue.gate_shift + first)
                                                             : Vector::zero();
  }
  for (int i = 0; i < height; ++i) {
    V y[N][kOut];
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) {
      V m[kPoints];
#pragma GCC unroll 9
      for (int j = 0; j < kPoints; ++j) m[j] = load(rows + ((i * kPoints + j) * N + v) * kLanes);
      Scheme::output(m, y[v]);
    }
#pragma GCC unroll 8
    for (int j = 0; j < kOut; ++j) {
      if (j >= width) continue;
#pragma GCC unroll 2
      for (int v = 0; v < N; ++v) {
        const ptrdiff_t at = origin + i * row + j * pixel + v * kLanes;
        V value = y[v][j];
        if constexpr (Fused) {
          if (epilogue.gate) {
            const V condition = fma(load(epilogue.gate + at), scale[v], shift[v]);
            value = Vector::keep_positive(condition, mul(value, scale[v]));
          }
          if (epilogue.add) value = add(value, load(epilogue.add + at));
        }
        if constexpr (Stream) {
          Vector::stream(dst + at, value);
        } else {
          store(dst + at, value);
        }
      }
    }
  }
}

// ---- the products ----

// Transformed inputs of one position: row blocks of R tiles, each [C / kLanes][R][kLanes].
// out[r][N vectors] = sum over c of in[c][r] * filter[c][...].
template <int R, int N, class Element>
void product(const float* in, const Element* filter, float* out, int channels) {
  V acc[R][N];
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) acc[r][v] = Vector::zero();
  }
  for (int group = 0; group < channels; group += kLanes) {
#pragma GCC unroll 2
    for (int c = 0; c < kLanes; ++c) {
      V b[N];
#pragma GCC unroll 2
      for (int v = 0; v < N; ++v) b[v] = Vector::load(filter + v * kLanes);
      filter += N * kLanes;
#pragma GCC unroll 14
      for (int r = 0; r < R; ++r) {
        const V a = Vector::splat(in[r * kLanes]);
#pragma GCC unroll 2
        for (int v = 0; v < N; ++v) acc[r][v] = fma(a, b[v], acc[r][v]);
      }
      ++in;
    }
    in += (R - 1) * kLanes;
  }
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) store(out + (r * N + v) * kLanes, acc[r][v]);
  }
}

template <class Element>
using Product = void (*)(const float*, const Element*, float*, int);

template <class Element, int N, int R>
Product<Element> product_of(int rows) {
  if constexpr (R <= 1) {
    return product<1, N, Element>;
  } else {
    return rows == R ? product<R, N, Element> : product_of<Element, N, R - 1>(rows);
  }
}

template <class Element>
Product<Element> product_for(int rows, int vectors) {
  return vectors == 2 ? product_of<Element, 2, Vector::kProductRowsWide>(rows)
                      : product_of<Element, 1, Vector::kProductRowsNarrow>(rows);
}

// Rows of the product's register block: more where every panel has one vector.
inline int product_rows(const WinogradProblem& problem) {
  return problem.out_c <= kLanes ? Vector::kProductRowsNarrow : Vector::kProductRowsWide;
}

// A run of tiles cut into row blocks whose sizes differ by at most one.
struct RowBlocks {
  int tiles, count;

  RowBlocks(int tiles_, int most_rows) : tiles(tiles_), count(ceil_div(tiles_, most_rows)) {}
  int first(int block) const { return static_cast<int>(share(tiles, block, count)); }
  int rows(int block) const { return first(block + 1) - first(block); }
};

// Panels of two vectors of output channels, the last maybe of one; within a position they follow each other.
struct OutPanels {
  int out_c;

  int count() const { return ceil_div(out_c, 2 * kLanes); }
  int vectors(int panel) const { return out_c - panel * 2 * kLanes >= 2 * kLanes ? 2 : 1; }
};

// Where one panel of one transformed filter begins.
inline ptrdiff_t packed_panel(const WinogradProblem& problem, int filter, int panel) {
  return (static_cast<ptrdiff_t>(filter) * problem.out_c + panel * 2 * kLanes) * problem.in_c;
}

void multiply(const WinogradProblem& problem, const RowBlocks& blocks, const float* inputs,
              const PackedView& packed, ptrdiff_t begin, int vectors, float* out) {
  with_element(packed.precision, [&](auto* none) {
    using Element = std::remove_pointer_t<decltype(none)>;
    const Element* filter = packed.as<Element>() + begin;
    for (int block = 0; block < blocks.count; ++block) {
      const int first = blocks.first(block);
      product_for<Element>(blocks.rows(block), vectors)(
          inputs + static_cast<ptrdiff_t>(first) * problem.in_c, filter,
          out + static_cast<ptrdiff_t>(first) * vectors * kLanes, problem.in_c);
    }
  });
}

template <class Scheme>
void transform_inputs(const WinogradProblem& problem, const Tiles& tiles, const float* src,
                      const InputPrologue& prologue, const RowBlocks& blocks, int first_tile,
                      int block, float* inputs, ptrdiff_t stride) {
  const int rows = blocks.rows(block);
  float* base = inputs + static_cast<ptrdiff_t>(blocks.first(block)) * problem.in_c;
  for (int r = 0; r < rows; ++r) {
    const TilePlace place = place_of(tiles, first_tile + blocks.first(block) + r);
    transform_input_tile<Scheme>(problem, src, place, prologue, stride, [&](int group) {
      return base + (static_cast<ptrdiff_t>(group) * rows + r) * kLanes;
    });
  }
}

template <class Scheme, int N>
auto output_transform(bool fused, bool stream) {
  if (fused) {
    return stream ? transform_output_tile<Scheme, N, true, true>
                  : transform_output_tile<Scheme, N, true, false>;
  }
  return stream ? transform_output_tile<Scheme, N, false, true>
                : transform_output_tile<Scheme, N, false, false>;
}

template <class Scheme>
void transform_outputs(const WinogradProblem& problem, const Tiles& tiles, int tile,
                       const float* products, ptrdiff_t stride, int channel, int vectors,
                       float* dst, const Epilogue& epilogue, bool stream) {
  const auto transform = vectors == 2 ? output_transform<Scheme, 2>(epilogue.active(), stream)
                                      : output_transform<Scheme, 1>(epilogue.active(), stream);
  transform(problem, products, stride, place_of(tiles, tile), channel, dst, epilogue);
}

bool streams(const WinogradProblem& problem, const float* dst, const Epilogue& epilogue) {
  // A line that was just read would have to leave the caches first.
  if (epilogue.add == dst || epilogue.gate == dst) return false;
  const int64_t floats = int64_t{1} * problem.batch * problem.out_h * problem.out_w * problem.out_c;
  return floats >= Vector::kStreamFloats && reinterpret_cast<uintptr_t>(dst) % 64 == 0;
}

// Positions lie an odd number of cache lines apart: a power of two would put all of them in one set.
constexpr ptrdiff_t odd_lines(ptrdiff_t floats) {
  return ((floats + kLineFloats - 1) / kLineFloats | 1) * kLineFloats;
}

// Tiles of a run whose transformed inputs and products stay in the cache.
template <class Scheme>
int block_tiles(const WinogradProblem& problem) {
  const int floats = kPositionsOf<Scheme> * (problem.in_c + min_of(problem.out_c, kMaxVectors * kLanes));
  const int rows = product_rows(problem);
  const int blocks = Vector::kBlockFloats / (floats * rows);
  return min_of(Vector::kMostBlockTiles, rows * max_of(1, blocks));
}

// Each thread takes runs of tiles whose transformed inputs stay in its L2 cache.
template <class Scheme>
void convolve_by_tiles(const WinogradProblem& problem, const float* src, const PackedView& packed,
                       float* dst, const InputPrologue& prologue, const Epilogue& epilogue,
                       Workspace& workspace, int threads) {
  const Tiles tiles = tiles_of<Scheme>(problem);
  const OutPanels panels{problem.out_c};
  const bool stream = streams(problem, dst, epilogue);
  const int most_tiles = block_tiles<Scheme>(problem);
  const int slices = min_of(threads, tiles.total);
  const ptrdiff_t in_stride = odd_lines(static_cast<ptrdiff_t>(most_tiles) * problem.in_c);
  const ptrdiff_t out_stride = odd_lines(most_tiles * min_of(problem.out_c, 2 * kLanes));
  const size_t slice_floats = kPositionsOf<Scheme> * (in_stride + out_stride);
  float* scratch = workspace.take(slice_floats * slices);
  for_slices(slices, [&](int slice) {
    float* inputs = scratch + slice_floats * slice;
    float* products = inputs + kPositionsOf<Scheme> * in_stride;
    const int begin = static_cast<int>(share(tiles.total, slice, slices));
    const int count = static_cast<int>(share(tiles.total, slice + 1, slices)) - begin;
    const int runs = ceil_div(count, most_tiles);
    for (int run = 0; run < runs; ++run) {
      const int first = begin + static_cast<int>(share(count, run, runs));
      const RowBlocks blocks(begin + static_cast<int>(share(count, run + 1, runs)) - first,
                             product_rows(problem));
      for (int block = 0; block < blocks.count; ++block) {
        transform_inputs<Scheme>(problem, tiles, src, prologue, blocks, first, block, inputs, in_stride);
      }
      for (int panel = 0; panel < panels.count(); ++panel) {
        const int vectors = panels.vectors(panel);
        for (int position = 0; position < kPositionsOf<Scheme>; ++position) {
          multiply(problem, blocks, inputs + position * in_stride,
                   packed, packed_panel(problem, filter_at<Scheme>(position), panel), vectors,
                   products + position * out_stride);
        }
        for (int t = 0; t < blocks.tiles; ++t) {
          transform_outputs<Scheme>(problem, tiles, first + t,
                            products + static_cast<ptrdiff_t>(t) * vectors * kLanes, out_stride,
                            panel * 2 * kLanes, vectors, dst, epilogue, stream);
        }
      }
    }
  });
}

// Large filters: all threads transform a long run of tiles, then share out the positions, so that
// each part of the filter is read once.
template <class Scheme>
void convolve_by_positions(const WinogradProblem& problem, const float* src,
                           const PackedView& packed, float* dst, const InputPrologue& prologue, const Epilogue& epilogue,
                           Workspace& workspace, int threads) {
  const Tiles tiles = tiles_of<Scheme>(problem);
  const OutPanels panels{problem.out_c};
  const bool stream = streams(problem, dst, epilogue);
  const int run_tiles = min_of(Scheme::kRunTiles, tiles.total);
  const ptrdiff_t in_stride = odd_lines(static_cast<ptrdiff_t>(run_tiles) * problem.in_c);
  const ptrdiff_t out_stride = odd_lines(static_cast<ptrdiff_t>(run_tiles) * problem.out_c);
  float* inputs = workspace.take(kPositionsOf<Scheme> * in_stride);
  float* products = workspace.take(kPositionsOf<Scheme> * out_stride);
  for (int first = 0; first < tiles.total; first += run_tiles) {
    const RowBlocks blocks(min_of(run_tiles, tiles.total - first), product_rows(problem));
    const int transformers = min_of(threads, blocks.tiles);
    for_slices(transformers, [&](int slice) {
      const int begin = static_cast<int>(share(blocks.tiles, slice, transformers));
      const int end = static_cast<int>(share(blocks.tiles, slice + 1, transformers));
      for (int block = 0; block < blocks.count; ++block) {
        const int rows = blocks.rows(block);
        float* base = inputs + static_cast<ptrdiff_t>(blocks.first(block)) * problem.in_c;
        for (int r = 0; r < rows; ++r) {
          const int t = blocks.first(block) + r;
          if (t < begin || t >= end) continue;
          transform_input_tile<Scheme>(problem, src, place_of(tiles, first + t), prologue, in_stride,
                               [&](int group) {
                                 return base + (static_cast<ptrdiff_t>(group) * rows + r) * kLanes;
                               });
        }
      }
    });
    const int tasks = kPositionsOf<Scheme> * panels.count();
    const int multipliers = min_of(threads, tasks);
    for_slices(multipliers, [&](int slice) {
      const int end = static_cast<int>(share(tasks, slice + 1, multipliers));
      for (int task = static_cast<int>(share(tasks, slice, multipliers)); task < end; ++task) {
        const int position = task / panels.count();
        const int panel = task % panels.count();
        multiply(problem, blocks, inputs + position * in_stride,
                 packed, packed_panel(problem, filter_at<Scheme>(position), panel), panels.vectors(panel),
                 products + position * out_stride +
                     static_cast<ptrdiff_t>(panel) * 2 * kLanes * blocks.tiles);
      }
    });
    for_slices(transformers, [&](int slice) {
      const int end = static_cast<int>(share(blocks.tiles, slice + 1, transformers));
      for (int t = static_cast<int>(share(blocks.tiles, slice, transformers)); t < end; ++t) {
        for (int panel = 0; panel < panels.count(); ++panel) {
          const int vectors = panels.vectors(panel);
          transform_outputs<Scheme>(problem, tiles, first + t,
                            products + static_cast<ptrdiff_t>(panel) * 2 * kLanes * blocks.tiles +
                                static_cast<ptrdiff_t>(t) * vectors * kLanes,
                            out_stride, panel * 2 * kLanes, vectors, dst, epilogue, stream);
        }
      }
    });
  }
}

// ---- the filter's gradient ----

constexpr int kFilterRows = 8;  // input channels whose sums lie together

// sums[r][N vectors] += sum over tiles of x[tile][r] * y[tile][N vectors], for R of kFilterRows.
template <int R, int N>
void filter_product(const float* x, const float* y, float* sums, int tiles, bool fresh) {
  V acc[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) acc[r][v] = Vector::zero();
  }
#pragma GCC unroll 2
  for (int t = 0; t < tiles; ++t) {
    V b[N];
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) b[v] = load(y + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const V a = Vector::splat(x[r]);
#pragma GCC unroll 2
      for (int v = 0; v < N; ++v) acc[r][v] = fma(a, b[v], acc[r][v]);
    }
    x += kLanes;
    y += N * kLanes;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) {
      float* sum = sums + (r * N + v) * kLanes;
      store(sum, fresh ? acc[r][v] : add(load(sum), acc[r][v]));
    }
  }
}

// The adjoint of the output transform, for one vector of channels of one tile of dy.
template <class Scheme>
inline void transform_gradient_tile(const WinogradProblem& problem, const float* dy,
                                    const TilePlace& place, int channel, float* out,
                                    ptrdiff_t stride) {
  constexpr int kPoints = Scheme::kPoints;
  constexpr int kOut = Scheme::kOut;
  alignas(64) float columns[kPoints * kOut * kLanes];
  const int height = min_of(kOut, problem.out_h - place.row * kOut);
  const int width = min_of(kOut, problem.out_w - place.column * kOut);
  const ptrdiff_t pixel = problem.out_c;
  const ptrdiff_t row = pixel * problem.out_w;
  const float* origin =
      dy + (static_cast<ptrdiff_t>(place.image) * problem.out_h + place.row * kOut) * row +
      place.column * kOut * pixel + channel;
  for (int j = 0; j < kOut; ++j) {
    V y[kOut];
    V z[kPoints];
#pragma GCC unroll 4
    for (int i = 0; i < kOut; ++i) {
      y[i] = i < height && j < width ? load(origin + i * row + j * pixel) : Vector::zero();
    }
    Scheme::output_adjoint(y, z);
#pragma GCC unroll 9
    for (int i = 0; i < kPoints; ++i) store(columns + (i * kOut + j) * kLanes, z[i]);
  }
  for (int i = 0; i < kPoints; ++i) {
    V y[kOut];
    V z[kPoints];
#pragma GCC unroll 4
    for (int j = 0; j < kOut; ++j) y[j] = load(columns + (i * kOut + j) * kLanes);
    Scheme::output_adjoint(y, z);
#pragma GCC unroll 9
    for (int j = 0; j < kPoints; ++j) store(out + (i * kPoints + j) * stride, z[j]);
  }
}

// Transformed x: [position][in_c / kLanes][tile][kLanes]; transformed dy: [position][panel][tile]
// [kLanes * 2 or 1]; sums: [transformed filter][in_c / kFilterRows][panel][kFilterRows][kLanes * 2 or 1].
struct FilterLayout {
  int run_tiles;
  ptrdiff_t x_stride, y_stride, sum_stride;

  FilterLayout(const WinogradProblem& problem, int tiles)
      : run_tiles(tiles),
        x_stride(odd_lines(static_cast<ptrdiff_t>(tiles) * problem.in_c)),
        y_stride(odd_lines(static_cast<ptrdiff_t>(tiles) * problem.out_c)),
        sum_stride(odd_lines(static_cast<ptrdiff_t>(problem.in_c) * problem.out_c)) {}
};

template <class Scheme>
void transform_filter_tile(const WinogradProblem& problem, const Tiles& tiles,
                           const FilterLayout& layout, const float* x, const float* dy,
                           const InputPrologue& prologue, int tile, int t, int run_tiles,
                           float* xs, float* ys) {
  const TilePlace place = place_of(tiles, tile);
  transform_input_tile<Scheme>(problem, x, place, prologue, layout.x_stride, [&](int group) {
    return xs + (static_cast<ptrdiff_t>(group) * run_tiles + t) * kLanes;
  });
  const OutPanels panels{problem.out_c};
  for (int panel = 0; panel < panels.count(); ++panel) {
    const int vectors = panels.vectors(panel);
    for (int v = 0; v < vectors; ++v) {
      const int channel = panel * 2 * kLanes + v * kLanes;
      transform_gradient_tile<Scheme>(problem, dy, place, channel,
                              ys + static_cast<ptrdiff_t>(panel) * 2 * kLanes * run_tiles +
                                  (static_cast<ptrdiff_t>(t) * vectors + v) * kLanes,
                              layout.y_stride);
    }
  }
}

// Adds one position's products over a run of tiles to its filter's sums, for channel blocks [begin, end).
void multiply_filter(const WinogradProblem& problem, const float* xs, const float* ys, float* sums,
                     int run_tiles, int begin, int end, bool fresh) {
  const OutPanels panels{problem.out_c};
  for (int block = begin; block < end; ++block) {
    const int channel = block * kFilterRows;
    const float* x = xs + static_cast<ptrdiff_t>(channel / kLanes) * run_tiles * kLanes +
                     channel % kLanes;
    float* block_sums = sums + static_cast<ptrdiff_t>(block) * kFilterRows * problem.out_c;
    for (int panel = 0; panel < panels.count(); ++panel) {
      const float* y = ys + static_cast<ptrdiff_t>(panel) * 2 * kLanes * run_tiles;
      float* out = block_sums + panel * 2 * kLanes * kFilterRows;
      constexpr int kWide = Vector::kFilterProductRowsWide;
      if (panels.vectors(panel) == 2) {
        for (int r = 0; r < kFilterRows; r += kWide) {
          filter_product<kWide, 2>(x + r, y, out + r * 2 * kLanes, run_tiles, fresh);
        }
      } else {
        filter_product<kFilterRows, 1>(x, y, out, run_tiles, fresh);
      }
    }
  }
}

// Adds up `copies` sums (copy_floats apart) in order and transforms them into dw.
template <class Scheme>
void finish_filter(const WinogradProblem& problem, const FilterLayout& layout, const float* sums,
                   int copies, size_t copy_floats, float* dw, int threads) {
  const OutPanels panels{problem.out_c};
  const ptrdiff_t tap = static_cast<ptrdiff_t>(problem.in_c) * problem.out_c;
  for_slices(threads, [&](int slice) {
    const int end = static_cast<int>(share(problem.in_c, slice + 1, threads));
    for (int c = static_cast<int>(share(problem.in_c, slice, threads)); c < end; ++c) {
      const float* block = sums + static_cast<ptrdiff_t>(c / kFilterRows) * kFilterRows *
                                      problem.out_c;
      for (int panel = 0; panel < panels.count(); ++panel) {
        const int vectors = panels.vectors(panel);
        for (int v = 0; v < vectors; ++v) {
          const float* from = block + panel * 2 * kLanes * kFilterRows +
                              ((c % kFilterRows) * vectors + v) * kLanes;
          constexpr int kFilters = Scheme::kFilters;
          V half[3][kFilters];
          for (int j = 0; j < kFilters; ++j) {
            V u[kFilters];
            V g[3];
            for (int i = 0; i < kFilters; ++i) {
              const float* at = from + (i * kFilters + j) * layout.sum_stride;
              u[i] = load(at);
              for (int copy = 1; copy < copies; ++copy) u[i] = add(u[i], load(at + copy * copy_floats));
            }
            Scheme::filter_adjoint(u, g);
            for (int i = 0; i < 3; ++i) half[i][j] = g[i];
          }
          for (int i = 0; i < 3; ++i) {
            V g[3];
            Scheme::filter_adjoint(half[i], g);
            for (int j = 0; j < 3; ++j) {
              store(dw + (i * 3 + j) * tap + static_cast<ptrdiff_t>(c) * problem.out_c +
                        panel * 2 * kLanes + v * kLanes,
                    g[j]);
            }
          }
        }
      }
    }
  });
}

template <class Scheme>
int filter_block_tiles(const WinogradProblem& problem) {
  const int tiles = Vector::kBlockFloats / (kPositionsOf<Scheme> * (problem.in_c + problem.out_c));
  return max_of(8, min_of(tiles, Vector::kMostBlockTiles));
}

// Calls body(position, first) for the positions whose products have a transformed filter, in order.
template <class Scheme, class Body>
void for_positions_of(int filter, const Body& body) {
  bool first = true;
  for (int position = 0; position < kPositionsOf<Scheme>; ++position) {
    if (filter_at<Scheme>(position) != filter) continue;
    body(position, first);
    first = false;
  }
}

// Each thread sums its own tiles; the threads' sums are added in order.
template <class Scheme>
void filter_by_tiles(const WinogradProblem& problem, const float* x, const float* dy, float* dw,
                     const InputPrologue& prologue, Workspace& workspace, int threads) {
  const Tiles tiles = tiles_of<Scheme>(problem);
  const int most_tiles = filter_block_tiles<Scheme>(problem);
  const FilterLayout layout(problem, most_tiles);
  const int slices = min_of(threads, tiles.total);
  const size_t sum_floats = kFiltersOf<Scheme> * layout.sum_stride;
  const size_t run_floats = kPositionsOf<Scheme> * (layout.x_stride + layout.y_stride);
  float* sums = workspace.take(sum_floats * slices);
  float* scratch = workspace.take(run_floats * slices);
  for_slices(slices, [&](int slice) {
    float* my_sums = sums + sum_floats * slice;
    float* xs = scratch + run_floats * slice;
    float* ys = xs + kPositionsOf<Scheme> * layout.x_stride;
    const int begin = static_cast<int>(share(tiles.total, slice, slices));
    const int count = static_cast<int>(share(tiles.total, slice + 1, slices)) - begin;
    const int runs = ceil_div(count, most_tiles);
    for (int run = 0; run < runs; ++run) {
      const int first = begin + static_cast<int>(share(count, run, runs));
      const int run_tiles = begin + static_cast<int>(share(count, run + 1, runs)) - first;
      for (int t = 0; t < run_tiles; ++t) {
        transform_filter_tile<Scheme>(problem, tiles, layout, x, dy, prologue, first + t, t,
                                      run_tiles, xs, ys);
      }
      for (int filter = 0; filter < kFiltersOf<Scheme>; ++filter) {
        for_positions_of<Scheme>(filter, [&](int position, bool fresh) {
          multiply_filter(problem, xs + position * layout.x_stride, ys + position * layout.y_stride,
                          my_sums + filter * layout.sum_stride, run_tiles, 0,
                          problem.in_c / kFilterRows, fresh && run == 0);
        });
      }
    }
  });
  finish_filter<Scheme>(problem, layout, sums, slices, sum_floats, dw, threads);
}

// Large filters: all threads transform a run of tiles, then share out transformed filters and channels.
template <class Scheme>
void filter_by_positions(const WinogradProblem& problem, const float* x, const float* dy, float* dw,
                         const InputPrologue& prologue, Workspace& workspace, int threads) {
  const Tiles tiles = tiles_of<Scheme>(problem);
  const FilterLayout layout(problem, min_of(Scheme::kRunTiles, tiles.total));
  float* sums = workspace.take(kFiltersOf<Scheme> * layout.sum_stride);
  float* xs = workspace.take(kPositionsOf<Scheme> * layout.x_stride);
  float* ys = workspace.take(kPositionsOf<Scheme> * layout.y_stride);
  const int runs = ceil_div(tiles.total, layout.run_tiles);
  const int blocks = problem.in_c / kFilterRows;
  for (int run = 0; run < runs; ++run) {
    const int first = static_cast<int>(share(tiles.total, run, runs));
    const int run_tiles = static_cast<int>(share(tiles.total, run + 1, runs)) - first;
    const int transformers = min_of(threads, run_tiles);
    for_slices(transformers, [&](int slice) {
      const int end = static_cast<int>(share(run_tiles, slice + 1, transformers));
      for (int t = static_cast<int>(share(run_tiles, slice, transformers)); t < end; ++t) {
        transform_filter_tile<Scheme>(problem, tiles, layout, x, dy, prologue, first + t, t,
                                      run_tiles, xs, ys);
      }
    });
    const int tasks = kFiltersOf<Scheme> * blocks;
    const int multipliers = min_of(threads, tasks);
    for_slices(multipliers, [&](int slice) {
      const int end = static_cast<int>(share(tasks, slice + 1, multipliers));
      for (int task = static_cast<int>(share(tasks, slice, multipliers)); task < end;) {
        const int filter = task / blocks;
        const int block = task % blocks;
        const int block_end = min_of(blocks, block + end - task);
        for_positions_of<Scheme>(filter, [&](int position, bool fresh) {
          multiply_filter(problem, xs + position * layout.x_stride, ys + position * layout.y_stride,
                          sums + filter * layout.sum_stride, run_tiles, block, block_end,
                          fresh && run == 0);
        });
        task += block_end - block;
      }
    });
  }
  finish_filter<Scheme>(problem, layout, sums, 1, 0, dw, threads);
}

InputPrologue input_prologue(const Prologue& prologue) {
  return {prologue.active(), prologue.relu, prologue.scale, prologue.shift};
}

size_t packed_elements(const WinogradProblem& problem) {
  // As many transformed filters in every scheme.
  static_assert(kFiltersOf<UnitStride> == kFiltersOf<Phases>);
  return static_cast<size_t>(kFiltersOf<UnitStride>) * problem.in_c * problem.out_c;
}

inline void put(float* out, V values) { store(out, values); }
inline void put(Bfloat16* out, V values) {
  alignas(64) float lanes[kLanes];
  store(lanes, values);
  for (int i = 0; i < kLanes; ++i) assign(out[i], lanes[i]);
}

template <class Scheme, class Element>
void pack_filter(const WinogradProblem& problem, const float* filter, Element* packed,
                 int threads) {
  const OutPanels panels{problem.out_c};
  const ptrdiff_t tap = static_cast<ptrdiff_t>(problem.in_c) * problem.out_c;
  const int tasks = panels.count() * (problem.in_c / kLanes);
  const int slices = min_of(threads, tasks);
  for_slices(slices, [&](int slice) {
    const int end = static_cast<int>(share(tasks, slice + 1, slices));
    for (int task = static_cast<int>(share(tasks, slice, slices)); task < end; ++task) {
      const int panel = task / (problem.in_c / kLanes);
      const int group = task % (problem.in_c / kLanes);
      const int vectors = panels.vectors(panel);
      for (int c = group * kLanes; c < (group + 1) * kLanes; ++c) {
        for (int v = 0; v < vectors; ++v) {
          const int channel = panel * 2 * kLanes + v * kLanes;
          constexpr int kFilters = Scheme::kFilters;
          V half[kFilters][3];
          for (int j = 0; j < 3; ++j) {
            V g[3];
            V u[kFilters];
            for (int i = 0; i < 3; ++i) {
              if (problem.transposed) {
                // Turned by 180 degrees; the filter's rows are the result's channels.
                const float* slab = filter + ((2 - i) * 3 + 2 - j) * tap;
                g[i] = Vector::gather(
                    slab + static_cast<ptrdiff_t>(channel) * problem.in_c + c, problem.in_c);
              } else {
                g[i] = load(filter + (i * 3 + j) * tap + static_cast<ptrdiff_t>(c) * problem.out_c +
                            channel);
              }
            }
            Scheme::filter(g, u);
            for (int i = 0; i < kFilters; ++i) half[i][j] = u[i];
          }
          for (int i = 0; i < kFilters; ++i) {
            V u[kFilters];
            Scheme::filter(half[i], u);
            for (int j = 0; j < kFilters; ++j) {
              Element* out = packed + packed_panel(problem, i * kFilters + j, panel);
              put(out + (static_cast<ptrdiff_t>(c) * vectors + v) * kLanes, u[j]);
            }
          }
        }
      }
    }
  });
}

// body(a scheme) with the one that computes the problem.
template <class Body>
void with_scheme(const WinogradProblem& problem, const Body& body) {
  switch (problem.sampling) {
    case Sampling::same:
      return body(UnitStride());
    case Sampling::down:
      return body(Down());
    case Sampling::up:
      return body(Up());
  }
}

void pack(const WinogradProblem& problem, const float* filter, Precision precision, void* packed,
          int threads) {
  with_scheme(problem, [&](auto scheme) {
    with_element(precision, [&](auto* none) {
      using Element = std::remove_pointer_t<decltype(none)>;
      pack_filter<decltype(scheme)>(problem, filter, static_cast<Element*>(packed), threads);
    });
  });
}

void convolve(const WinogradProblem& problem, const float* src, const PackedView& packed, float* dst,
              const Prologue& prologue, const Epilogue& epilogue, Workspace& workspace,
              int threads) {
  // Both forms give the same bits.
  const bool large = static_cast<int64_t>(problem.in_c) * problem.out_c > Vector::kConvolveByTiles;
  with_scheme(problem, [&](auto scheme) {
    using Scheme = decltype(scheme);
    const auto form = large ? convolve_by_positions<Scheme> : convolve_by_tiles<Scheme>;
    form(problem, src, packed, dst, input_prologue(prologue), epilogue, workspace, threads);
  });
}

template <class Scheme>
void filter_gradient_of(const WinogradProblem& problem, const float* x, const float* dy, float* dw,
                        const Prologue& prologue, Workspace& workspace, int threads) {
  const bool large = static_cast<int64_t>(problem.in_c) * problem.out_c > Vector::kFilterByTiles;
  const auto form = large ? filter_by_positions<Scheme> : filter_by_tiles<Scheme>;
  form(problem, x, dy, dw, input_prologue(prologue), workspace, threads);
}

void filter_gradient(const WinogradProblem& problem, const float* x, const float* dy, float* dw,
                     const Prologue& prologue, Workspace& workspace, int threads) {
  const auto form = problem.sampling == Sampling::down ? filter_gradient_of<Down>
                                                       : filter_gradient_of<UnitStride>;
  form(problem, x, dy, dw, prologue, workspace, threads);
}

constexpr WinogradKernels kWinogradKernels = {packed_elements, pack, convolve, filter_gradient};

}  // namespace
}  // namespace percept::conv
