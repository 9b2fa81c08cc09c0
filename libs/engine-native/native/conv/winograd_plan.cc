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

Sampling sampling_of(const Conv2dShape& s) {
  return s.stride_h == 2 ? Sampling::down : Sampling::same;
}

}  // namespace

bool winograd_serves(const Conv2dShape& s, Direction direction, Isa isa) {
  if (isa == Isa::portable) return false;
  const Least& least = isa == Isa::avx512 ? kLeastAvx512 : kLeastAvx2;
  const bool strided = s.stride_h == 2;
  // The tiles of the adjoint of stride 2 begin where one row and column of padding has them.
  if (strided && direction == Direction::backward_input && (s.pad_top != 1 || s.pad_left != 1)) {
    return false;
  }
  const bool fits = s.kernel_h == 3 && s.kernel_w == 3 && (s.stride_h == 1 || strided) &&
                    s.stride_w == s.stride_h && s.dilation_h == 1 && s.dilation_w == 1 && s.in_c % least.lanes == 0 &&
                    s.out_c % least.lanes == 0;
  if (!fits) return false;
  const int channels = s.in_c < s.out_c ? s.in_c : s.out_c;
  return channels >= least.always_channels ||
         (channels >= least.channels && s.in_h * s.in_w >= least.pixels);
}

WinogradProblem winograd_forward_problem(const Conv2dShape& s) {
  return {s.batch, s.in_h,    s.in_w,     s.in_c, s.out_h,       s.out_w,
          s.out_c, s.pad_top, s.pad_left, false,  sampling_of(s)};
}

WinogradProblem winograd_backward_input_problem(const Conv2dShape& s) {
  const bool strided = s.stride_h == 2;
  const int pad_top = strided ? 0 : 2 - s.pad_top;
  const int pad_left = strided ? 0 : 2 - s.pad_left;
  return {s.batch, s.out_h, s.out_w,  s.out_c, s.in_h, s.in_w,
          s.in_c,  pad_top, pad_left, true,    strided ? Sampling::up : Sampling::same};
}

}  // namespace percept::conv
