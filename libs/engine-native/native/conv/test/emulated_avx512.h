// AVX-512 intrinsics in portable C++, by SIMDe and, where that has none, below: included before the
// AVX-512 kernels, it builds them for the tests of a CPU without AVX-512.
#pragma once

#include <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>

#include <cstddef>
#include <cstring>

namespace percept::emulated {

inline __m512 from_floats(const float (&lanes)[16]) {
  __m512 v;
  memcpy(&v, lanes, sizeof v);
  return v;
}

inline void to_floats(__m512 v, float (&lanes)[16]) { memcpy(lanes, &v, sizeof v); }

template <class V>
V maskz_loadu_ps(unsigned mask, const void* memory) {
  float lanes[sizeof(V) / 4];
  for (size_t i = 0; i < sizeof(V) / 4; ++i) {
    lanes[i] = 0.0f;
    if (mask >> i & 1) memcpy(lanes + i, static_cast<const char*>(memory) + 4 * i, 4);
  }
  V v;
  memcpy(&v, lanes, sizeof v);
  return v;
}

template <class V>
void mask_storeu_ps(void* memory, unsigned mask, V v) {
  float lanes[sizeof(V) / 4];
  memcpy(lanes, &v, sizeof v);
  for (size_t i = 0; i < sizeof(V) / 4; ++i) {
    if (mask >> i & 1) memcpy(static_cast<char*>(memory) + 4 * i, lanes + i, 4);
  }
}

inline void stream_ps(void* memory, __m512 v) { memcpy(memory, &v, sizeof v); }

template <int Scale>
__m512 i32gather_ps(__m512i offsets, const void* memory) {
  int at[16];
  memcpy(at, &offsets, sizeof at);
  float lanes[16];
  for (int i = 0; i < 16; ++i) {
    memcpy(lanes + i, static_cast<const char*>(memory) + ptrdiff_t{at[i]} * Scale, 4);
  }
  return from_floats(lanes);
}

// Within each four lanes: lane i takes lane (control >> 2 i) & 3.
inline __m512 permute_ps(__m512 v, int control) {
  float from[16];
  float lanes[16];
  to_floats(v, from);
  for (int i = 0; i < 16; ++i) lanes[i] = from[i / 4 * 4 + (control >> i % 4 * 2 & 3)];
  return from_floats(lanes);
}

inline __m512i cvtepu16_epi32(__m256i v) {
  unsigned short from[16];
  memcpy(from, &v, sizeof from);
  int lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = from[i];
  __m512i wide;
  memcpy(&wide, lanes, sizeof wide);
  return wide;
}

}  // namespace percept::emulated

#define _mm512_maskz_loadu_ps(mask, memory) percept::emulated::maskz_loadu_ps<__m512>(mask, memory)
#define _mm256_maskz_loadu_ps(mask, memory) percept::emulated::maskz_loadu_ps<__m256>(mask, memory)
#define _mm_maskz_loadu_ps(mask, memory) percept::emulated::maskz_loadu_ps<__m128>(mask, memory)
#define _mm512_mask_storeu_ps(memory, mask, v) percept::emulated::mask_storeu_ps(memory, mask, v)
#define _mm256_mask_storeu_ps(memory, mask, v) percept::emulated::mask_storeu_ps(memory, mask, v)
#define _mm_mask_storeu_ps(memory, mask, v) percept::emulated::mask_storeu_ps(memory, mask, v)
#define _mm512_stream_ps(memory, v) percept::emulated::stream_ps(memory, v)
#define _mm512_i32gather_ps(offsets, memory, scale) \
  percept::emulated::i32gather_ps<scale>(offsets, memory)
#define _mm512_cvtepu16_epi32(v) percept::emulated::cvtepu16_epi32(v)
#define _mm512_permute_ps(v, control) percept::emulated::permute_ps(v, control)
#define _mm512_movehdup_ps(v) percept::emulated::permute_ps(v, 0xf5)
