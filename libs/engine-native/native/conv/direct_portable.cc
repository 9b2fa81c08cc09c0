#include "vector_portable.h"
// The kernels are written over the Vector above.
#include "direct_impl.h"

namespace percept::conv {

const DirectKernels& direct_kernels_portable() { return kDirectKernels; }

}  // namespace percept::conv
