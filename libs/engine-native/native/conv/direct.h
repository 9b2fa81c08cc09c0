// Direct convolution: the geometry shared by the instruction sets' kernels.
//
// Both forward and backward_input are gathers: an output pixel sums, over taps, an input pixel times
// a filter slice. A strided backward_input splits into stride_h * stride_w phases, each of which is a
// gather of unit input step. Taps that lie side by side in an input row merge into one segment, whose
// floats are contiguous in NHWC.
#pragma once

#include <cstddef>

#include "packed.h"

namespace percept::conv {

struct Tap {
  int kernel_y, kernel_x;
};

// `taps` taps beginning at input position (row, col) relative to the output pixel's anchor.
struct Segment {
  int row, col;
  int taps, first_tap;
};

// Outputs (y * out_step_h + out_y, x * out_step_w + out_x) for y < rows, x < cols.
struct Phase {
  int out_y, out_x;
  int rows, cols;
  int first_segment, segments;
};

struct GatherPlan {
  int batch;
  int in_h, in_w, in_c;
  int out_h, out_w, out_c;
  int in_step_h, in_step_w;
  int out_step_h, out_step_w;
  bool transposed;  // the filter's in and out channels swap (backward_input)
  int kernel_w, filter_in_c, filter_out_c;
  int phase_count;
  int max_rows, max_cols;  // over the phases
  int min_cols;            // over the phases that have outputs
  int min_row, max_row;    // over all taps, relative to the anchor
  int min_col, max_col;
  const Phase* phases;
  const Segment* segments;
  const Tap* taps;
};

// The plan's arrays live in the workspace.
GatherPlan plan_forward(const Conv2dShape& shape, Workspace& workspace);
GatherPlan plan_backward_input(const Conv2dShape& shape, Workspace& workspace);

// One instruction set's kernels.
struct DirectKernels {
  size_t (*packed_elements)(const GatherPlan& plan);
  void (*pack)(const GatherPlan& plan, const float* filter, Precision precision, void* packed,
               int threads);
  void (*gather)(const GatherPlan& plan, const float* src, const PackedView& packed, float* dst,
                 const Prologue& prologue, const Epilogue& epilogue, Workspace& workspace,
                 int threads);
  // `plan` is the forward plan.
  void (*filter)(const GatherPlan& plan, const float* x, const float* dy, float* dw,
                 const Prologue& prologue, Workspace& workspace, int threads);
};

const DirectKernels& direct_kernels_portable();
#ifdef PERCEPT_CONV_X86
const DirectKernels& direct_kernels_avx2();
const DirectKernels& direct_kernels_avx512();
#endif

}  // namespace percept::conv
