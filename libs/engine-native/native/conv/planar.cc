#include "planar.h"

namespace percept::conv {

namespace {

constexpr int kLanes = 8;
constexpr int kMostChannels = 4;
constexpr int kMostKernel = 7;

}  // namespace

bool planar_serves(const Conv2dShape& s, Isa isa) {
  return isa == Isa::avx2 && s.in_c <= kMostChannels && s.out_c % kLanes == 0 &&
         s.in_w >= kLanes && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
         s.dilation_w == 1 && s.kernel_h <= kMostKernel && s.kernel_w <= kMostKernel;
}

size_t planar_packed_floats(const Conv2dShape& s) {
  return static_cast<size_t>(s.kernel_h) * s.kernel_w * s.in_c * s.out_c;
}

// [row, turned][channel of dy][column, turned][channel of dx]
void planar_pack(const Conv2dShape& s, const float* filter, float* packed) {
  for (int row = s.kernel_h - 1; row >= 0; --row) {
    for (int c = 0; c < s.out_c; ++c) {
      for (int column = s.kernel_w - 1; column >= 0; --column) {
        for (int r = 0; r < s.in_c; ++r) {
          *packed++ = filter[((static_cast<size_t>(row) * s.kernel_w + column) * s.in_c + r) *
                                 s.out_c + c];
        }
      }
    }
  }
}

}  // namespace percept::conv
