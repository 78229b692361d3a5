// SPDX-License-Identifier: Apache-2.0
// In which numbers the keys and values of a head are kept: the one list of formats, which the
// public header, head profiles, page pools and kernels share. What is kept by format is an array
// in this order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace redknot {

// Half precision; 8-bit integers with one scale per token and head for keys and one for values;
// single precision, without any rounding; keys as in kQ8 and values as 4-bit integers with a scale
// and a minimum per token and kValueBlock elements.
enum class KvFormat : std::uint8_t { kF16, kQ8, kF32, kK8V4 };

inline constexpr int kKvFormatCount = 4;
inline constexpr std::array<KvFormat, kKvFormatCount> kKvFormats = {
    KvFormat::kF16, KvFormat::kQ8, KvFormat::kF32, KvFormat::kK8V4};

constexpr std::size_t index_of(KvFormat format) { return static_cast<std::size_t>(format); }

// "f16", "q8", "f32" or "k8v4", in options, files and answers alike.
constexpr std::string_view name(KvFormat format) {
  constexpr std::array<std::string_view, kKvFormatCount> kNames = {"f16", "q8", "f32", "k8v4"};
  return kNames[index_of(format)];
}

// Of one number of a key or a value.
enum class KvElement : std::uint8_t { kF16, kInt8, kF32, kInt4 };
constexpr KvElement key_element(KvFormat format) {
  constexpr std::array<KvElement, kKvFormatCount> kElements = {KvElement::kF16, KvElement::kInt8,
                                                               KvElement::kF32, KvElement::kInt8};
  return kElements[index_of(format)];
}
constexpr KvElement value_element(KvFormat format) {
  constexpr std::array<KvElement, kKvFormatCount> kElements = {KvElement::kF16, KvElement::kInt8,
                                                               KvElement::kF32, KvElement::kInt4};
  return kElements[index_of(format)];
}

// Elements of a 4-bit value that share a scale and a minimum.
inline constexpr int kValueBlock = 32;
// Blocks of a value; the last one may be filled in part.
constexpr int value_blocks(int head_dim) { return (head_dim + kValueBlock - 1) / kValueBlock; }

}  // namespace redknot
