#include "workspace.h"

#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace percept::conv {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kLineFloats = 16;

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

AlignedBuffer::AlignedBuffer(size_t floats) {
  const size_t wanted = round_up(floats * sizeof(float) + 1, 64);
  const size_t alignment = wanted >= kHugePage ? kHugePage : 64;
  const size_t bytes = round_up(wanted, alignment);
  void* memory = std::aligned_alloc(alignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  // Advice only: a kernel without transparent huge pages answers with an error that changes nothing.
  if (alignment == kHugePage) (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  memory_.reset(static_cast<float*>(memory));
  capacity_ = bytes / sizeof(float);
}

void AlignedBuffer::Release::operator()(float* memory) const { std::free(memory); }

void Workspace::reset() {
  used_ = 0;
  if (chunks_.size() <= 1) return;
  size_t total = 0;
  for (const AlignedBuffer& chunk : chunks_) total += chunk.capacity();
  chunks_.clear();
  chunks_.emplace_back(total);
}

float* Workspace::take(size_t floats) {
  const size_t size = round_up(floats, kLineFloats);
  if (chunks_.empty() || used_ + size > chunks_.back().capacity()) {
    chunks_.emplace_back(size);
    used_ = 0;
  }
  float* result = chunks_.back().data() + used_;
  used_ += size;
  return result;
}

void Workspace::release() {
  chunks_.clear();
  used_ = 0;
}

size_t Workspace::bytes() const {
  size_t total = 0;
  for (const AlignedBuffer& chunk : chunks_) total += chunk.capacity() * sizeof(float);
  return total;
}

}  // namespace percept::conv
