#include <algorithm>
#include <climits>

#include "direct.h"

namespace percept::conv {

namespace {

// One axis of one phase: which kernel indices meet it, at which input offset, in ascending offset.
struct AxisTap {
  int kernel_index, offset;
};

// Writes the taps of output positions `phase`, `phase + stride`, ... of backward_input's axis and
// returns their number: kernel index k reaches input (dy) position j + (phase + pad - k * dilation)
// / stride where that is whole.
int backward_axis(int phase, int kernel, int stride, int pad, int dilation, AxisTap* taps) {
  int count = 0;
  for (int k = kernel - 1; k >= 0; --k) {
    const int distance = phase + pad - k * dilation;
    if (distance % stride != 0) continue;
    taps[count++] = {k, distance / stride};
  }
  return count;
}

int forward_axis(int kernel, int pad, int dilation, AxisTap* taps) {
  for (int k = 0; k < kernel; ++k) taps[k] = {k, k * dilation - pad};
  return kernel;
}

struct PlanArrays {
  Phase* phases;
  Segment* segments;
  Tap* taps;
  int phase_count = 0, segment_count = 0, tap_count = 0;
};

void add_phase(PlanArrays& arrays, Phase phase, const AxisTap* rows, int row_count,
               const AxisTap* cols, int col_count) {
  phase.first_segment = arrays.segment_count;
  for (int r = 0; r < row_count; ++r) {
    for (int c = 0; c < col_count; ++c) {
      const bool continues = c > 0 && cols[c].offset == cols[c - 1].offset + 1;
      if (continues) {
        ++arrays.segments[arrays.segment_count - 1].taps;
      } else {
        arrays.segments[arrays.segment_count++] = {rows[r].offset, cols[c].offset, 1,
                                                   arrays.tap_count};
      }
      arrays.taps[arrays.tap_count++] = {rows[r].kernel_index, cols[c].kernel_index};
    }
  }
  phase.segments = arrays.segment_count - phase.first_segment;
  arrays.phases[arrays.phase_count++] = phase;
}

void finish_plan(GatherPlan& plan, const PlanArrays& arrays) {
  plan.phases = arrays.phases;
  plan.segments = arrays.segments;
  plan.taps = arrays.taps;
  plan.phase_count = arrays.phase_count;
  plan.max_rows = plan.max_cols = 0;
  plan.min_cols = INT_MAX;
  for (int p = 0; p < arrays.phase_count; ++p) {
    const Phase& phase = arrays.phases[p];
    plan.max_rows = std::max(plan.max_rows, phase.rows);
    plan.max_cols = std::max(plan.max_cols, phase.cols);
    plan.min_cols = std::min(plan.min_cols, phase.cols);
  }
  // A plan without segments reads nothing; its range must still be one that can be subtracted.
  const bool empty = arrays.segment_count == 0;
  plan.min_row = plan.min_col = empty ? 0 : INT_MAX;
  plan.max_row = plan.max_col = empty ? 0 : INT_MIN;
  for (int s = 0; s < arrays.segment_count; ++s) {
    const Segment& segment = arrays.segments[s];
    plan.min_row = std::min(plan.min_row, segment.row);
    plan.max_row = std::max(plan.max_row, segment.row);
    plan.min_col = std::min(plan.min_col, segment.col);
    plan.max_col = std::max(plan.max_col, segment.col + segment.taps - 1);
  }
}

PlanArrays take_arrays(const Conv2dShape& shape, int phases, Workspace& workspace) {
  const size_t taps = static_cast<size_t>(shape.kernel_h) * shape.kernel_w;
  PlanArrays arrays;
  arrays.phases = workspace.take_array<Phase>(phases);
  arrays.segments = workspace.take_array<Segment>(taps);
  arrays.taps = workspace.take_array<Tap>(taps);
  return arrays;
}

}  // namespace

GatherPlan plan_forward(const Conv2dShape& s, Workspace& workspace) {
  GatherPlan plan{};
  plan.batch = s.batch;
  plan.in_h = s.in_h, plan.in_w = s.in_w, plan.in_c = s.in_c;
  plan.out_h = s.out_h, plan.out_w = s.out_w, plan.out_c = s.out_c;
  plan.in_step_h = s.stride_h, plan.in_step_w = s.stride_w;
  plan.out_step_h = plan.out_step_w = 1;
  plan.transposed = false;
  plan.kernel_w = s.kernel_w, plan.filter_in_c = s.in_c, plan.filter_out_c = s.out_c;

  AxisTap* rows = workspace.take_array<AxisTap>(s.kernel_h);
  AxisTap* cols = workspace.take_array<AxisTap>(s.kernel_w);
  const int row_count = forward_axis(s.kernel_h, s.pad_top, s.dilation_h, rows);
  const int col_count = forward_axis(s.kernel_w, s.pad_left, s.dilation_w, cols);
  PlanArrays arrays = take_arrays(s, 1, workspace);
  add_phase(arrays, {0, 0, s.out_h, s.out_w, 0, 0}, rows, row_count, cols, col_count);
  finish_plan(plan, arrays);
  return plan;
}

GatherPlan plan_backward_input(const Conv2dShape& s, Workspace& workspace) {
  GatherPlan plan{};
  plan.batch = s.batch;
  plan.in_h = s.out_h, plan.in_w = s.out_w, plan.in_c = s.out_c;
  plan.out_h = s.in_h, plan.out_w = s.in_w, plan.out_c = s.in_c;
  plan.in_step_h = plan.in_step_w = 1;
  plan.out_step_h = s.stride_h, plan.out_step_w = s.stride_w;
  plan.transposed = true;
  plan.kernel_w = s.kernel_w, plan.filter_in_c = s.in_c, plan.filter_out_c = s.out_c;

  AxisTap* rows = workspace.take_array<AxisTap>(s.kernel_h);
  AxisTap* cols = workspace.take_array<AxisTap>(s.kernel_w);
  PlanArrays arrays = take_arrays(s, s.stride_h * s.stride_w, workspace);
  for (int y = 0; y < std::min(s.stride_h, s.in_h); ++y) {
    const int row_count = backward_axis(y, s.kernel_h, s.stride_h, s.pad_top, s.dilation_h, rows);
    for (int x = 0; x < std::min(s.stride_w, s.in_w); ++x) {
      const int col_count =
          backward_axis(x, s.kernel_w, s.stride_w, s.pad_left, s.dilation_w, cols);
      const Phase phase = {y, x, (s.in_h - y + s.stride_h - 1) / s.stride_h,
                           (s.in_w - x + s.stride_w - 1) / s.stride_w, 0, 0};
      add_phase(arrays, phase, rows, row_count, cols, col_count);
    }
  }
  finish_plan(plan, arrays);
  return plan;
}

}  // namespace percept::conv
