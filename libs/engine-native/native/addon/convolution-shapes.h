#pragma once

#include "arguments.h"
#include "conv.h"
#include "onednn-convolution.h"

namespace percept {

/** The sizes of a convolution, in the order of ConvolutionShape's fields, as JavaScript passes them in one array. */
inline ConvolutionShape shapeOf(const Arguments& a, size_t index) {
  const Integers sizes = a.integers(index);
  if (sizes.length != 15) Arguments::fail(index, "must hold the 15 sizes of a convolution");
  const int32_t* v = sizes.data;
  const ConvolutionShape shape{v[0], v[1], v[2],  v[3],  v[4],  v[5],  v[6], v[7],
                               v[8], v[9], v[10], v[11], v[12], v[13], v[14]};
  for (size_t i = 0; i < sizes.length; i++) {
    const bool isPad = i == 11 || i == 12;
    if (v[i] < (isPad ? 0 : 1)) Arguments::fail(index, "holds a size out of range");
  }
  const auto fits = [](int out, int stride, int filter, int dilation, int side, int before) {
    const int lastStart = (out - 1) * stride - before;
    return lastStart < side && lastStart + (filter - 1) * dilation >= 0;
  };
  if (!fits(shape.outHeight, shape.strideHeight, shape.filterHeight, shape.dilationHeight, shape.height, shape.padTop) ||
      !fits(shape.outWidth, shape.strideWidth, shape.filterWidth, shape.dilationWidth, shape.width, shape.padLeft)) {
    Arguments::fail(index, "holds an output size that does not fit");
  }
  return shape;
}

inline conv::Conv2dShape ownShape(const ConvolutionShape& s) {
  return {s.batch,        s.height,      s.width,        s.inChannels,  s.outHeight, s.outWidth, s.outChannels,
          s.filterHeight, s.filterWidth, s.strideHeight, s.strideWidth, s.padTop,    s.padLeft,  s.dilationHeight,
          s.dilationWidth};
}

/** The precision that JavaScript's `precisions` gives this number. */
inline conv::Precision precisionOf(int32_t number, size_t index) {
  if (number != 0 && number != 1) Arguments::fail(index, "holds an unknown precision");
  return number == 1 ? conv::Precision::bfloat16 : conv::Precision::float32;
}

/** Our own kernels take every shape on a CPU with AVX-512 and AVX2; elsewhere oneDNN is the faster one. */
inline bool isOurs(const conv::Conv2dShape& shape) {
  return conv::active_isa() != conv::Isa::portable && conv::supported(shape);
}

}  // namespace percept
