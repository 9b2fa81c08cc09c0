#pragma once

#include <omp.h>

#include <cstddef>

// Included by files that are compiled once per instruction set: everything here has internal linkage, so that the linker
// never takes one instruction set's copy for another's.
namespace {

inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/** Runs f(begin, end) over [0, length) in at most `threads` contiguous pieces of at least `grain`, cut at multiples of 16. */
template <class Body>
void overRanges(size_t length, size_t grain, int threads, Body body) {
  const size_t most = length / (grain ? grain : 1);
  const int team = static_cast<int>(smaller(most ? most : 1, static_cast<size_t>(threads)));
  if (team <= 1) {
    body(static_cast<size_t>(0), length);
    return;
  }
#pragma omp parallel num_threads(team)
  {
    const size_t count = static_cast<size_t>(omp_get_num_threads());
    const size_t id = static_cast<size_t>(omp_get_thread_num());
    const size_t piece = ((length + count - 1) / count + 15) / 16 * 16;
    const size_t begin = smaller(piece * id, length);
    const size_t end = smaller(begin + piece, length);
    if (begin < end) body(begin, end);
  }
}

/** Runs f(task) for every task, in parallel where `work` (operations in all) is worth it. */
template <class Body>
void overTasks(size_t tasks, size_t work, int threads, Body body) {
  const int team = work < 32768 ? 1 : static_cast<int>(smaller(tasks, static_cast<size_t>(threads)));
  if (team <= 1) {
    for (size_t task = 0; task < tasks; task++) body(task);
    return;
  }
#pragma omp parallel for schedule(dynamic) num_threads(team)
  for (size_t task = 0; task < tasks; task++) body(task);
}

}  // namespace
