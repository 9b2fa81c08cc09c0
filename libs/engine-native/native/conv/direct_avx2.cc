#include "vector_avx2.h"
// The kernels are written over the Vector above.
#include "direct_impl.h"

namespace percept::conv {

const DirectKernels& direct_kernels_avx2() { return kDirectKernels; }

}  // namespace percept::conv
