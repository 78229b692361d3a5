// SPDX-License-Identifier: Apache-2.0
// The vector operations the kernels are written in, for AVX-512 F/BW/DQ/VL/VNNI. Included inside
// the target region and namespace of kernels_avx512.cc; simd_avx2.h has the same names.
#pragma once

inline constexpr int kLanes = 16;   // floats in a vector
inline constexpr int kRowTile = 6;  // input rows of a matrix product that share a weight load
inline constexpr int kColumnTile =
    2;  // vectors of outputs: 6 x 2 int and float sums fit 32 registers
inline constexpr int kWideTile = 4;  // vectors of outputs of a float-only tile: 6 x 4 sums

using Floats = __m512;
using Ints = __m512i;

REDKNOT_INLINE Floats zeros() { return _mm512_setzero_ps(); }
REDKNOT_INLINE Floats broadcast(float x) { return _mm512_set1_ps(x); }
REDKNOT_INLINE Floats load(const float* p) { return _mm512_loadu_ps(p); }
REDKNOT_INLINE void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
REDKNOT_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
REDKNOT_INLINE Floats maximum(Floats a, Floats b) { return _mm512_max_ps(a, b); }
REDKNOT_INLINE Floats minimum(Floats a, Floats b) { return _mm512_min_ps(a, b); }
REDKNOT_INLINE Floats absolute(Floats a) { return _mm512_abs_ps(a); }
REDKNOT_INLINE Floats nearest(Floats a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
REDKNOT_INLINE float lanes_maximum(Floats a) { return _mm512_reduce_max_ps(a); }
REDKNOT_INLINE float lanes_sum(Floats a) { return _mm512_reduce_add_ps(a); }
REDKNOT_INLINE int lanes_sum(Ints a) { return _mm512_reduce_add_epi32(a); }

REDKNOT_INLINE Floats load_f16(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
REDKNOT_INLINE void store_f16(void* p, Floats x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
// The first, the second of the two BF16 numbers in each lane.
REDKNOT_INLINE Floats first_bf16(Ints x) { return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16)); }
REDKNOT_INLINE Floats second_bf16(Ints x) {
  return _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(-65536)));
}
REDKNOT_INLINE Floats load_i8(const void* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
}
// The 4 bits from bit `shift` on, 0 or 4, of each byte.
REDKNOT_INLINE Floats load_nibbles(const void* p, int shift) {
  const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  return _mm512_cvtepi32_ps(
      _mm512_and_si512(_mm512_srl_epi32(wide, _mm_cvtsi32_si128(shift)), _mm512_set1_epi32(15)));
}
// Stores floats that are whole numbers in -128..127 as bytes.
REDKNOT_INLINE void store_i8(void* p, Ints x) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
}
REDKNOT_INLINE Ints to_ints(Floats x) { return _mm512_cvtps_epi32(x); }
REDKNOT_INLINE Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
REDKNOT_INLINE Ints broadcast(std::int32_t x) { return _mm512_set1_epi32(x); }
REDKNOT_INLINE Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
REDKNOT_INLINE Ints times(Ints a, std::int32_t b) {
  return _mm512_mullo_epi32(a, _mm512_set1_epi32(b));
}
REDKNOT_INLINE Ints load_bytes(const std::byte* p) { return _mm512_loadu_si512(p); }
// Byte `index` of each lane, unsigned.
REDKNOT_INLINE Ints lane_byte(Ints x, unsigned index) {
  return _mm512_and_si512(_mm512_srli_epi32(x, 8 * index), _mm512_set1_epi32(255));
}
REDKNOT_INLINE Ints low_nibbles(Ints x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
REDKNOT_INLINE Ints high_nibbles(Ints x) {
  return _mm512_and_si512(_mm512_srli_epi16(x, 4), _mm512_set1_epi8(15));
}
// sum[i] + the four products of unsigned bytes of `a` and signed bytes of `b` in lane i, exact.
REDKNOT_INLINE Ints dot_accumulate(Ints sum, Ints a, Ints b) {
  return _mm512_dpbusd_epi32(sum, a, b);
}
// The same for bytes of `a` below 16.
REDKNOT_INLINE Ints dot_accumulate_nibbles(Ints sum, Ints a, Ints b) {
  return _mm512_dpbusd_epi32(sum, a, b);
}

// x where `tested` is at least `least`, else 0.
REDKNOT_INLINE Floats zero_below(Floats x, Floats tested, float least) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(tested, _mm512_set1_ps(least), _CMP_GE_OQ), x);
}
REDKNOT_INLINE Floats zero_if_nan(Floats x) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x);
}
// x in lanes [begin, end), `other` elsewhere.
REDKNOT_INLINE Floats select_lanes(Floats x, Floats other, int begin, int end) {
  const int low = begin < 0 ? 0 : begin > 16 ? 16 : begin;
  const int high = end < 0 ? 0 : end > 16 ? 16 : end;
  const auto mask = static_cast<__mmask16>(((1u << high) - 1u) & ~((1u << low) - 1u));
  return _mm512_mask_blend_ps(mask, other, x);
}
// 2^n for whole n in [-126, 127].
REDKNOT_INLINE Floats power_of_two(Floats n) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}

// The lanes of x, each in the place of the one Stride away.
template <int Stride>
REDKNOT_INLINE Floats swap_lanes(Floats x) {
  if constexpr (Stride == 1) return _mm512_permute_ps(x, 0xb1);
  if constexpr (Stride == 2) return _mm512_permute_ps(x, 0x4e);
  if constexpr (Stride == 4) return _mm512_shuffle_f32x4(x, x, 0xb1);
  return _mm512_shuffle_f32x4(x, x, 0x4e);
}
// Stride lanes of 1, as many of -1, and again.
template <int Stride>
REDKNOT_INLINE Floats alternating() {
  constexpr __mmask16 minus = Stride == 1   ? 0xaaaa
                              : Stride == 2 ? 0xcccc
                              : Stride == 4 ? 0xf0f0
                                            : 0xff00;
  return _mm512_mask_blend_ps(minus, _mm512_set1_ps(1.0f), _mm512_set1_ps(-1.0f));
}
