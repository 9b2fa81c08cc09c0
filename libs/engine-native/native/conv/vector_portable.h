// The vector type the direct kernels are written against: plain C++ with the compiler's vectors.
#pragma once

#include <cstdint>
#include <cstring>

#include "packed.h"

namespace percept::conv {
namespace {

struct Vector {
  static constexpr int kWidth = 4;
  static constexpr int kMaxPack = 1;
  static constexpr int kGroupsWide = 1;
  static constexpr int kGroupsNarrow = 2;
  static constexpr int kFilterRowsWide = 4;
  static constexpr int kFilterRowsNarrow = 8;
  typedef float Float __attribute__((vector_size(16)));
  typedef float Loose __attribute__((vector_size(16), aligned(4), may_alias));
  using Mask = int;  // the number of leading lanes

  static Float zero() { return Float{0, 0, 0, 0}; }
  static Float splat(float value) { return Float{value, value, value, value}; }
  static Mask first(int lanes) { return lanes < kWidth ? lanes : kWidth; }
  static Float load(const float* p) { return *reinterpret_cast<const Loose*>(p); }
  static Float load(const float* p, Mask m) {
    Float v = zero();
    for (int i = 0; i < m; ++i) v[i] = p[i];
    return v;
  }
  static Float load(const Bfloat16* p) {
    Float v;
    for (int i = 0; i < kWidth; ++i) {
      const uint32_t bits = uint32_t{p[i].bits} << 16;
      float lane;
      memcpy(&lane, &bits, sizeof lane);
      v[i] = lane;
    }
    return v;
  }
  static void store(float* p, Float v) { *reinterpret_cast<Loose*>(p) = v; }
  static void store(float* p, Float v, Mask m) {
    for (int i = 0; i < m; ++i) p[i] = v[i];
  }
  static Float fma(Float a, Float b, Float c) { return a * b + c; }
  static Float add(Float a, Float b) { return a + b; }
  static Float mul(Float a, Float b) { return a * b; }
  // A NaN in v stays.
  static Float relu(Float v) {
    for (int i = 0; i < kWidth; ++i) v[i] = v[i] < 0.0f ? 0.0f : v[i];
    return v;
  }
  static Float keep_positive(Float condition, Float v) {
    for (int i = 0; i < kWidth; ++i) v[i] = condition[i] > 0.0f ? v[i] : 0.0f;
    return v;
  }
  template <int P>
  static Float broadcast(const float* p) {
    static_assert(P == 1, "one channel to a lane");
    return splat(*p);
  }
};

}  // namespace
}  // namespace percept::conv
