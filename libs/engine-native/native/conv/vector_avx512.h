// The vector type the kernels are written against: AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "packed.h"

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
  static Float load(const Bfloat16* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
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

  // The first L lanes only: a whole vector's masked access would cross cache lines needlessly.
  template <int L>
  static Float load_part(const float* p, Mask m) {
    if constexpr (L == 16) return _mm512_maskz_loadu_ps(m, p);
    if constexpr (L == 8) return _mm512_castps256_ps512(_mm256_maskz_loadu_ps(__mmask8(m), p));
    return _mm512_castps128_ps512(_mm_maskz_loadu_ps(__mmask8(m), p));
  }
  template <int L>
  static void store_part(float* p, Float v, Mask m) {
    if constexpr (L == 16) {
      _mm512_mask_storeu_ps(p, m, v);
    } else if constexpr (L == 8) {
      _mm256_mask_storeu_ps(p, __mmask8(m), _mm512_castps512_ps256(v));
    } else {
      _mm_mask_storeu_ps(p, __mmask8(m), _mm512_castps512_ps128(v));
    }
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
  // Four pixels' sums, V vectors each with P partial sums beside each other: out[pixel] holds the
  // pixel's V * 16 / P totals in its first lanes.
  template <int P, int V>
  static void fold(const Float (&sums)[4][V], Float (&out)[4]) {
    if constexpr (P == 2) {
      const __m512i even =
          _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
      const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
      for (int i = 0; i < 4; ++i) {
        out[i] = _mm512_add_ps(_mm512_permutex2var_ps(sums[i][0], even, sums[i][V - 1]),
                               _mm512_permutex2var_ps(sums[i][0], odd, sums[i][V - 1]));
      }
    } else {
      Float totals[V];  // [channel][pixel]
      for (int v = 0; v < V; ++v) {
        const Float low = _mm512_add_ps(_mm512_unpacklo_ps(sums[0][v], sums[1][v]),
                                        _mm512_unpackhi_ps(sums[0][v], sums[1][v]));
        const Float high = _mm512_add_ps(_mm512_unpacklo_ps(sums[2][v], sums[3][v]),
                                         _mm512_unpackhi_ps(sums[2][v], sums[3][v]));
        totals[v] = _mm512_add_ps(_mm512_shuffle_ps(low, high, 0x44),
                                  _mm512_shuffle_ps(low, high, 0xee));
      }
      const __m512i first =
          _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
      for (int i = 0; i < 4; ++i) {
        out[i] = _mm512_permutex2var_ps(
            totals[0], _mm512_add_epi32(first, _mm512_set1_epi32(i)), totals[V - 1]);
      }
    }
  }
  // The first V * 16 / P lanes, each repeated P times.
  template <int P, int V>
  static void spread(Float v, Float (&out)[V]) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i first = _mm512_srli_epi32(lanes, P == 4 ? 2 : 1);
    out[0] = _mm512_permutexvar_ps(first, v);
    if constexpr (V == 2) {
      out[1] = _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32(16 / P)), v);
    }
  }
};

}  // namespace
}  // namespace percept::conv
