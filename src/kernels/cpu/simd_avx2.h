// SPDX-License-Identifier: Apache-2.0
// The vector operations the kernels are written in, for AVX2 with FMA and F16C. Included inside the
// target region and namespace of kernels_avx2.cc; simd_avx512.h has the same names.
#pragma once

inline constexpr int kLanes = 8;
inline constexpr int kRowTile = 3;
inline constexpr int kColumnTile = 2;  // 3 x 2 int and float sums, 16 registers
inline constexpr int kWideTile = 4;    // 3 x 4 sums

using Floats = __m256;
using Ints = __m256i;

REDKNOT_INLINE Floats zeros() { return _mm256_setzero_ps(); }
REDKNOT_INLINE Floats broadcast(float x) { return _mm256_set1_ps(x); }
REDKNOT_INLINE Floats load(const float* p) { return _mm256_loadu_ps(p); }
REDKNOT_INLINE void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
REDKNOT_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
REDKNOT_INLINE Floats maximum(Floats a, Floats b) { return _mm256_max_ps(a, b); }
REDKNOT_INLINE Floats minimum(Floats a, Floats b) { return _mm256_min_ps(a, b); }
REDKNOT_INLINE Floats absolute(Floats a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
REDKNOT_INLINE Floats nearest(Floats a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
REDKNOT_INLINE float lanes_maximum(Floats a) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
REDKNOT_INLINE float lanes_sum(Floats a) {
  __m128 m = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  m = _mm_add_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_add_ss(m, _mm_movehdup_ps(m)));
}
REDKNOT_INLINE int lanes_sum(Ints a) {
  __m128i m = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}

REDKNOT_INLINE Floats load_f16(const void* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
REDKNOT_INLINE void store_f16(void* p, Floats x) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
REDKNOT_INLINE Floats first_bf16(Ints x) { return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16)); }
REDKNOT_INLINE Floats second_bf16(Ints x) {
  return _mm256_castsi256_ps(_mm256_and_si256(x, _mm256_set1_epi32(-65536)));
}
REDKNOT_INLINE Floats load_i8(const void* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
}
REDKNOT_INLINE Floats load_nibbles(const void* p, int shift) {
  const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
  return _mm256_cvtepi32_ps(
      _mm256_and_si256(_mm256_srl_epi32(wide, _mm_cvtsi32_si128(shift)), _mm256_set1_epi32(15)));
}
REDKNOT_INLINE void store_i8(void* p, Ints x) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
REDKNOT_INLINE Ints to_ints(Floats x) { return _mm256_cvtps_epi32(x); }
REDKNOT_INLINE Floats to_floats(Ints x) { return _mm256_cvtepi32_ps(x); }
REDKNOT_INLINE Ints broadcast(std::int32_t x) { return _mm256_set1_epi32(x); }
REDKNOT_INLINE Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
REDKNOT_INLINE Ints times(Ints a, std::int32_t b) {
  return _mm256_mullo_epi32(a, _mm256_set1_epi32(b));
}
REDKNOT_INLINE Ints load_bytes(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
REDKNOT_INLINE Ints lane_byte(Ints x, unsigned index) {
  return _mm256_and_si256(_mm256_srli_epi32(x, static_cast<int>(8 * index)),
                          _mm256_set1_epi32(255));
}
REDKNOT_INLINE Ints low_nibbles(Ints x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
REDKNOT_INLINE Ints high_nibbles(Ints x) {
  return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
}
// Sums of two byte products saturate at 16 bits (255 * 127 * 2 does not fit), so the unsigned bytes
// are halved into their low seven bits and their top bit: 127 * 127 * 2 fits, and 128 * 127 * 2
// fits because the second factor lies in -127..127.
REDKNOT_INLINE Ints dot_accumulate(Ints sum, Ints a, Ints b) {
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i low = _mm256_and_si256(a, _mm256_set1_epi8(127));
  const __m256i top = _mm256_and_si256(a, _mm256_set1_epi8(-128));
  const __m256i low_sums = _mm256_madd_epi16(_mm256_maddubs_epi16(low, b), ones);
  const __m256i top_sums = _mm256_madd_epi16(_mm256_maddubs_epi16(top, b), ones);
  return _mm256_add_epi32(sum, _mm256_add_epi32(low_sums, top_sums));
}
REDKNOT_INLINE Ints dot_accumulate_nibbles(Ints sum, Ints a, Ints b) {
  const __m256i pairs = _mm256_maddubs_epi16(a, b);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

REDKNOT_INLINE Floats zero_below(Floats x, Floats tested, float least) {
  return _mm256_and_ps(x, _mm256_cmp_ps(tested, _mm256_set1_ps(least), _CMP_GE_OQ));
}
REDKNOT_INLINE Floats zero_if_nan(Floats x) {
  return _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q));
}
REDKNOT_INLINE Floats select_lanes(Floats x, Floats other, int begin, int end) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i inside = _mm256_and_si256(_mm256_cmpgt_epi32(lane, _mm256_set1_epi32(begin - 1)),
                                          _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane));
  return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(inside));
}
REDKNOT_INLINE Floats power_of_two(Floats n) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}

template <int Stride>
REDKNOT_INLINE Floats swap_lanes(Floats x) {
  if constexpr (Stride == 1) return _mm256_permute_ps(x, 0xb1);
  if constexpr (Stride == 2) return _mm256_permute_ps(x, 0x4e);
  return _mm256_permute2f128_ps(x, x, 1);
}
template <int Stride>
REDKNOT_INLINE Floats alternating() {
  constexpr int minus = Stride == 1 ? 0xaa : Stride == 2 ? 0xcc : 0xf0;
  return _mm256_blend_ps(_mm256_set1_ps(1.0f), _mm256_set1_ps(-1.0f), minus);
}
