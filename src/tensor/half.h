// SPDX-License-Identifier: Apache-2.0
// IEEE half precision and bfloat16, bit by bit and portable: the definition that the vector code is
// tested against. Rounds to nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

namespace redknot {

inline float f16_to_f32(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fffu) << 13;
  if (magnitude >= 0x0f800000u) return std::bit_cast<float>(sign | (magnitude + 0x70000000u));
  if (magnitude >= 0x00800000u) return std::bit_cast<float>(sign | (magnitude + 0x38000000u));
  // Subnormal: magnitude is the fraction in units of 2^-24, shifted left by 13.
  const float value = static_cast<float>(magnitude >> 13) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

inline std::uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;              // NaN
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;             // rounds to infinity
  if (magnitude < 0x38800000u) {                                   // subnormal or zero
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;  // ulp of 0.5 is 2^-24
    return sign | static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u);
  }
  const std::uint32_t odd = (magnitude >> 13) & 1u;
  return sign | static_cast<std::uint16_t>((magnitude - 0x38000000u + 0xfffu + odd) >> 13);
}

// The least half that is not less, and the greatest that is not greater; beyond the largest finite
// half, that one. Requires a finite value.
inline std::uint16_t f32_to_f16_up(float value) {
  const std::uint16_t half = f32_to_f16(value < -65504.0f  ? -65504.0f
                                        : value > 65504.0f ? 65504.0f
                                                           : value);
  if (f16_to_f32(half) >= value || half == 0x7bffu) return half;
  return static_cast<std::uint16_t>((half & 0x8000u) != 0 ? half - 1 : half + 1);
}
inline std::uint16_t f32_to_f16_down(float value) {
  return static_cast<std::uint16_t>(f32_to_f16_up(-value) ^ 0x8000u);
}

inline float bf16_to_f32(std::uint16_t value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

inline std::uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace redknot
