// How a kernel's work is shared among threads. In every file that includes it with internal linkage,
// so that no function built for one instruction set can be linked into another's path.
#pragma once

#include <omp.h>

#include <cstdint>

namespace percept::conv {
namespace {

// Runs body(slice) for every slice in [0, slices), whatever team OpenMP grants.
template <class Body>
void for_slices(int slices, const Body& body) {
  if (slices <= 1) {
    body(0);
    return;
  }
#pragma omp parallel num_threads(slices)
  {
    const int team = omp_get_num_threads();
    for (int slice = omp_get_thread_num(); slice < slices; slice += team) body(slice);
  }
}

// The first of `total` things that belongs to a slice; the slice's end is the next one's first.
[[maybe_unused]] inline int64_t share(int64_t total, int slice, int slices) {
  return total * slice / slices;
}

}  // namespace
}  // namespace percept::conv
