// Winograd convolution F(4x4, 3x3): 36 products where the direct sum has 144.
//
// Interpolation points 0, +-0.65, +-1.55 and infinity: about a fifth of the rounding error of the
// textbook's 0, +-1, +-2. Serves 3x3 filters of stride 1 with channel counts that are multiples of 16.
#pragma once

#include <cstddef>

#include "conv.h"

namespace percept::conv {

// A forward convolution, or backward_input seen as one: the filter turned by 180 degrees, its
// channels swapped.
struct WinogradProblem {
  int batch;
  int in_h, in_w, in_c;
  int out_h, out_w, out_c;
  int pad_top, pad_left;
  bool transposed;
};

// Whether the shape is computed so, by a table on the shape without its batch.
bool winograd_serves(const Conv2dShape& shape, Direction direction);

WinogradProblem winograd_forward_problem(const Conv2dShape& shape);
WinogradProblem winograd_backward_input_problem(const Conv2dShape& shape);

// The following run only where the CPU has AVX-512 (F, BW, DQ, VL).
size_t winograd_packed_floats(const WinogradProblem& problem);
void winograd_pack(const WinogradProblem& problem, const float* filter, float* packed, int threads);
void winograd_convolve(const WinogradProblem& problem, const float* src, const float* packed,
                       float* dst, const Prologue& prologue, const Epilogue& epilogue,
                       Workspace& workspace, int threads);
void winograd_filter(const WinogradProblem& problem, const float* x, const float* dy, float* dw,
                     const Prologue& prologue, Workspace& workspace, int threads);

}  // namespace percept::conv
