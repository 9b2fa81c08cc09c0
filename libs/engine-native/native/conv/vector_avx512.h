// The vector type the kernels are written against: AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace percept::conv {
namespace {

struct Vector {
  static constexpr int kWidth = 16;
  static constexpr int kMaxPack = 4;       // input channels one vector can hold beside each other
  static constexpr int kGroupsWide = 3;    // groups of 4 pixels with two vectors each
  static constexpr int kGroupsNarrow = 6;  // with one vector each
  static constexpr int kFilterRowsWide = 14;
  static constexpr int kFilterRowsNarrow = 14;
  static constexpr int kProductRowsWide = 14;
  static constexpr int kProductRowsNarrow = 14;
  static constexpr int kFilterProductRowsWide = 8;
  static constexpr int kBlockFloats = 256 << 10;
  static constexpr int kMostBlockTiles = 32;
  static constexpr int64_t kStreamFloats = int64_t{1} << 20;
  static constexpr int64_t kConvolveByTiles = 160 * 160;
  static constexpr int64_t kFilterByTiles = 80 * 80;
  using Float = __m512;
  using Mask = __mmask16;
  typedef double Pair __attribute__((aligned(4), may_alias));

  static Float zero() { return _mm512_setzero_ps(); }
  static Float splat(float value) { return _mm512_set1_ps(value); }
  static Mask first(int lanes) {
    return lanes >= 16 ? Mask(0xffff) : Mask((1u << lanes) - 1u);
  }
  static Float load(const float* p) { return _mm512_loadu_ps(p); }
  static Float load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static void store(float* p, Float v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, Float v, Mask m) { _mm512_mask_storeu_ps(p, m, v); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float fnma(Float a, Float b, Float c) { return _mm512_fnmadd_ps(a, b, c); }
  // Past the caches; p at a multiple of the vector's size.
  static void stream(float* p, Float v) { _mm512_stream_ps(p, v); }
  static Float gather(const float* p, int stride) {
    const __m512i far_apart = _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32(stride));
    return _mm512_i32gather_ps(far_apart, p, 4);
  }
  // A NaN in v stays.
  static Float relu(Float v) { return _mm512_max_ps(_mm512_setzero_ps(), v); }
  static Float keep_positive(Float condition, Float v) {
    return _mm512_maskz_mov_ps(
        _mm512_cmp_ps_mask(condition, _mm512_setzero_ps(), _CMP_GT_OQ), v);
  }

  // P consecutive floats, repeated over the vector.
  template <int P>
  static Float broadcast(const float* p) {
    if constexpr (P == 1) {
      return _mm512_set1_ps(*p);
    } else if constexpr (P == 2) {
      // As one double, so that the broadcast is the load's and takes no shuffle.
      return _mm512_castpd_ps(_mm512_set1_pd(*reinterpret_cast<const Pair*>(p)));
    } else {
      return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
    }
  }
  // Lane groups of P become one value each, in the first 16 / P lanes: their sum.
  template <int P>
  static Float fold(Float v) {
    if constexpr (P == 1) return v;
    if constexpr (P >= 2) v = _mm512_add_ps(v, _mm512_movehdup_ps(v));
    if constexpr (P == 4) v = _mm512_add_ps(v, _mm512_permute_ps(v, 0x0e));
    if constexpr (P == 2) {
      return _mm512_permutexvar_ps(
          _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0), v);
    }
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
                                 v);
  }
  // The first 16 / P lanes, each repeated P times.
  template <int P>
  static Float spread(Float v) {
    if constexpr (P == 1) return v;
    if constexpr (P == 2) {
      return _mm512_permutexvar_ps(
          _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), v);
    }
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
                                 v);
  }
};

}  // namespace
}  // namespace percept::conv
