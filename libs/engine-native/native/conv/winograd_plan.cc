#include "winograd.h"

namespace percept::conv {

namespace {

// Channel counts from which the saved products pay for the transforms.
struct Least {
  int lanes;
  int channels, always_channels;
  int pixels;  // of the image, with fewer channels than always_channels
};

constexpr Least kLeastAvx512 = {16, 64, 128, 256};
constexpr Least kLeastAvx2 = {8, 8, 8, 1};

}  // namespace

bool winograd_serves(const Conv2dShape& s, Direction /*direction*/, Isa isa) {
  if (isa == Isa::portable) return false;
  const Least& least = isa == Isa::avx512 ? kLeastAvx512 : kLeastAvx2;
  const bool fits = s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 &&
                    s.dilation_h == 1 && s.dilation_w == 1 && s.in_c % least.lanes == 0 &&
                    s.out_c % least.lanes == 0;
  if (!fits) return false;
  const int channels = s.in_c < s.out_c ? s.in_c : s.out_c;
  return channels >= least.always_channels ||
         (channels >= least.channels && s.in_h * s.in_w >= least.pixels);
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
