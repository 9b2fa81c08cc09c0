#include "winograd.h"

namespace percept::conv {

namespace {

// Channel counts from which the saved products pay for the transforms. Small networks stay with the direct kernels,
// whose rounding errors are three times smaller.
constexpr int kLeastChannels = 64;
constexpr int kAlwaysChannels = 128;
constexpr int kLeastPixels = 256;

}  // namespace

bool winograd_serves(const Conv2dShape& s, Direction /*direction*/) {
  const bool fits = s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 &&
                    s.dilation_h == 1 && s.dilation_w == 1 && s.in_c % 16 == 0 &&
                    s.out_c % 16 == 0;
  if (!fits) return false;
  const int least = s.in_c < s.out_c ? s.in_c : s.out_c;
  return least >= kAlwaysChannels || (least >= kLeastChannels && s.in_h * s.in_w >= kLeastPixels);
}

WinogradProblem winograd_forward_problem(const Conv2dShape& s) {
  return {s.batch, s.in_h,  s.in_w,    s.in_c,     s.out_h,
          s.out_w, s.out_c, s.pad_top, s.pad_left, false};
}

WinogradProblem winograd_backward_input_problem(const Conv2dShape& s) {
  return {s.batch, s.out_h, s.out_w,       s.out_c,        s.in_h,
          s.in_w,  s.in_c,  2 - s.pad_top, 2 - s.pad_left, true};
}

}  // namespace percept::conv
