// The vector type the kernels are written against: AVX2 with FMA.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "packed.h"

namespace percept::conv {
namespace {

struct Vector {
  static constexpr int kWidth = 8;
  static constexpr int kMaxPack = 1;
  static constexpr int kGroupsWide = 1;
  static constexpr int kGroupsNarrow = 2;
  static constexpr int kFilterRowsWide = 6;
  static constexpr int kFilterRowsNarrow = 12;
  static constexpr int kProductRowsWide = 6;
  static constexpr int kProductRowsNarrow = 12;
  static constexpr int kFilterProductRowsWide = 4;
  static constexpr int kBlockFloats = 96 << 10;
  static constexpr int kMostBlockTiles = 36;
  static constexpr int64_t kStreamFloats = int64_t{1} << 21;
  static constexpr int64_t kConvolveByTiles = 160 * 160;
  static constexpr int64_t kFilterByTiles = 80 * 80;
  using Float = __m256;
  using Mask = __m256i;

  static Float zero() { return _mm256_setzero_ps(); }
  static Float splat(float value) { return _mm256_set1_ps(value); }
  static Mask first(int lanes) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Float load(const float* p) { return _mm256_loadu_ps(p); }
  static Float load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  static Float load(const Bfloat16* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  static void store(float* p, Float v) { _mm256_storeu_ps(p, v); }
  // Of the first lanes, never by vmaskmovps: AMD's cores take a dozen cycles for one such store.
  static void store(float* p, Float v, Mask m) {
    const int lanes = _mm256_movemask_ps(_mm256_castsi256_ps(m));
    if (lanes == 0xff) return store(p, v);
    __m128 rest = _mm256_castps256_ps128(v);
    if (lanes & 8) {
      _mm_storeu_ps(p, rest);
      rest = _mm256_extractf128_ps(v, 1);
      p += 4;
    }
    const int left = lanes & 8 ? lanes >> 4 : lanes;
    if (left & 2) {
      _mm_storel_pi(reinterpret_cast<__m64*>(p), rest);
      rest = _mm_movehl_ps(rest, rest);
      p += 2;
    }
    if (left == 1 || left == 7) _mm_store_ss(p, rest);
  }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float fnma(Float a, Float b, Float c) { return _mm256_fnmadd_ps(a, b, c); }
  // Past the caches; p at a multiple of the vector's size.
  static void stream(float* p, Float v) { _mm256_stream_ps(p, v); }
  static Float gather(const float* p, int stride) {
    const __m256i far_apart = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                                 _mm256_set1_epi32(stride));
    return _mm256_i32gather_ps(p, far_apart, 4);
  }
  // A NaN in v stays.
  static Float relu(Float v) { return _mm256_max_ps(_mm256_setzero_ps(), v); }
  static Float keep_positive(Float condition, Float v) {
    return _mm256_and_ps(_mm256_cmp_ps(condition, _mm256_setzero_ps(), _CMP_GT_OQ), v);
  }
  template <int P>
  static Float broadcast(const float* p) {
    static_assert(P == 1, "one channel to a lane");
    return _mm256_broadcast_ss(p);
  }
};

}  // namespace
}  // namespace percept::conv
