#include "vector_avx512.h"
// The kernels are written over the Vector above.
#include "winograd_impl.h"

namespace percept::conv {

const WinogradKernels& winograd_kernels_avx512() { return kWinogradKernels; }

}  // namespace percept::conv
