#include "vector_avx512.h"
// The kernels are written over the Vector above.
#include "direct_impl.h"

namespace percept::conv {

const DirectKernels& direct_kernels_avx512() { return kDirectKernels; }

}  // namespace percept::conv
