// Scratch memory for the convolutions, owned by the caller and reused between calls.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace percept::conv {

// Uninitialised floats at a 64-byte boundary (2 MiB, with huge pages asked for, when large).
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Throws std::bad_alloc.
  explicit AlignedBuffer(size_t floats);

  float* data() const { return memory_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Release {
    void operator()(float* memory) const;
  };
  std::unique_ptr<float, Release> memory_;
  size_t capacity_ = 0;
};

// A bump arena. What `take` returns lives until the next `reset`. After a call that outgrew the
// arena, the next `reset` merges its chunks, so that a steady state allocates nothing.
class Workspace {
 public:
  void reset();
  // Uninitialised, 64-byte aligned. Throws std::bad_alloc.
  float* take(size_t floats);

  template <class T>
  T* take_array(size_t count) {
    static_assert(alignof(T) <= 64, "the arena aligns to 64 bytes");
    return reinterpret_cast<T*>(take((count * sizeof(T) + sizeof(float) - 1) / sizeof(float)));
  }
  // Frees everything.
  void release();
  size_t bytes() const;

 private:
  std::vector<AlignedBuffer> chunks_;
  size_t used_ = 0;  // floats of the last chunk
};

}  // namespace percept::conv
