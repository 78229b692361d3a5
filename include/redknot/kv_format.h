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
// single precision, without any rounding.
enum class KvFormat : std::uint8_t { kF16, kQ8, kF32 };

inline constexpr int kKvFormatCount = 3;
inline constexpr std::array<KvFormat, kKvFormatCount> kKvFormats = {KvFormat::kF16, KvFormat::kQ8,
                                                                    KvFormat::kF32};

constexpr std::size_t index_of(KvFormat format) { return static_cast<std::size_t>(format); }

// "f16", "q8" or "f32", in options, files and answers alike.
constexpr std::string_view name(KvFormat format) {
  constexpr std::array<std::string_view, kKvFormatCount> kNames = {"f16", "q8", "f32"};
  return kNames[index_of(format)];
}

}  // namespace redknot
