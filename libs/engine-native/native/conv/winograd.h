// Winograd convolution of 3x3 filters, 4x4 results at a time: at stride 1, F(4x4, 3x3), 36 products
// where the direct sum has 144, at stride 2, by phases, 81.
//
// Interpolation points 0, +-0.65, +-1.55 and infinity (by phases +-0.4, +-1.3 and infinity): about a
// fifth of the rounding error of the textbook's 0, +-1, +-2. Serves channel counts that are multiples
// of the vector's width.
#pragma once

#include <cstddef>

#include "packed.h"

namespace percept::conv {

// What a convolution does to the image's size: nothing, or half it (stride 2), or, as the latter's
// adjoint, double it.
enum class Sampling { same, down, up };

// A forward convolution, or backward_input seen as one: the filter turned by 180 degrees, its
// channels swapped.
struct WinogradProblem {
  int batch;
  int in_h, in_w, in_c;
  int out_h, out_w, out_c;
  int pad_top, pad_left;
  bool transposed;
  Sampling sampling;
};

// Whether the shape is computed so, by a table on the shape without its batch, one for each
// instruction set.
bool winograd_serves(const Conv2dShape& shape, Direction direction, Isa isa);

WinogradProblem winograd_forward_problem(const Conv2dShape& shape);
WinogradProblem winograd_backward_input_problem(const Conv2dShape& shape);

// One instruction set's kernels.
struct WinogradKernels {
  size_t (*packed_elements)(const WinogradProblem& problem);
  void (*pack)(const WinogradProblem& problem, const float* filter, Precision precision,
               void* packed, int threads);
  void (*convolve)(const WinogradProblem& problem, const float* src, const PackedView& packed,
                   float* dst, const Prologue& prologue, const Epilogue& epilogue,
                   Workspace& workspace, int threads);
  void (*filter)(const WinogradProblem& problem, const float* x, const float* dy, float* dw,
                 const Prologue& prologue, Workspace& workspace, int threads);
};

#ifdef PERCEPT_CONV_X86
const WinogradKernels& winograd_kernels_avx2();
const WinogradKernels& winograd_kernels_avx512();
#endif

}  // namespace percept::conv
