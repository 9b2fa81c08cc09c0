#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace percept {

/**
 * Memory for an array of floats on a cache line's boundary, its values undefined.
 *
 * Large arrays are mappings of their own on huge pages, so that the system has them back as soon as they are freed: in the heap,
 * arrays of many sizes that come and go leave holes that are never given back.
 */
class FloatMemory {
 public:
  static constexpr size_t kHugePage = size_t{2} << 20;
  static constexpr size_t kCacheLine = 64;

  /** Throws std::bad_alloc. */
  static void* allocate(size_t bytes) {
    if (bytes < kHugePage) {
      void* data = std::aligned_alloc(kCacheLine, roundUp(bytes + 1, kCacheLine));
      if (data == nullptr) throw std::bad_alloc();
      return data;
    }
    const size_t size = roundUp(bytes, kHugePage);
    // A huge page more than is needed, of which the ends outside whole huge pages are given back.
    void* mapped =
        mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    const auto begin = reinterpret_cast<uintptr_t>(mapped);
    const uintptr_t aligned = roundUp(begin, kHugePage);
    const size_t before = aligned - begin;
    if (before > 0) munmap(mapped, before);
    if (before < kHugePage) munmap(reinterpret_cast<void*>(aligned + size), kHugePage - before);
    void* data = reinterpret_cast<void*>(aligned);
    madvise(data, size, MADV_HUGEPAGE);
    return data;
  }

  /** Frees what allocate(bytes) answered with. */
  static void free(void* data, size_t bytes) {
    if (bytes < kHugePage) {
      std::free(data);
    } else {
      munmap(data, roundUp(bytes, kHugePage));
    }
  }

 private:
  static constexpr size_t roundUp(size_t value, size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }
};

}  // namespace percept
