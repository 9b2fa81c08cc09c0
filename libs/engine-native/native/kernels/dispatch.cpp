#include "kernels.h"

namespace percept {

namespace portable {
extern const Kernels table;
}
#ifdef PERCEPT_X86
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
#endif

const Kernels& kernels() {
#ifdef PERCEPT_X86
  static const Kernels& chosen = []() -> const Kernels& {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      return avx512::table;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::table;
    return portable::table;
  }();
  return chosen;
#else
  return portable::table;
#endif
}

}  // namespace percept
