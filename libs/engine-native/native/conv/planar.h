// Backward_input of an unstrided convolution whose input has very few channels, as an image's first
// layer has: the lanes are neighbouring pixels, since that many channels would leave most lanes idle.
#pragma once

#include <cstddef>

#include "conv.h"

namespace percept::conv {

// Whether the shape's backward_input is computed so, by a table on the shape without its batch, one
// for each instruction set.
bool planar_serves(const Conv2dShape& shape, Isa isa);

// Floats of the filter's packed form.
size_t planar_packed_floats(const Conv2dShape& shape);

void planar_pack(const Conv2dShape& shape, const float* filter, float* packed);

#ifdef PERCEPT_CONV_X86
void planar_backward_input_avx2(const Conv2dShape& shape, const float* dy, const float* packed,
                                float* dx, const Epilogue& epilogue, Workspace& workspace,
                                int threads);
#endif

}  // namespace percept::conv
