// SPDX-License-Identifier: Apache-2.0
// What activations are rounded to before they are multiplied with weights: the one list, which the
// public header, the forward pass and recorded steps share. One engine uses one format for all
// tokens, since keys and values depend on it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace redknot {

// k8, k16: with integer weights, 8 bits with a scale per 32, or two such digits of 8 bits; with
// float weights nothing is rounded. kExact: nothing is rounded, all products are in single
// precision. kBf16: with BF16 weights, to BF16.
enum class ActivationFormat : std::uint8_t { k8, k16, kExact, kBf16 };

inline constexpr std::array<ActivationFormat, 4> kActivationFormats = {
    ActivationFormat::k8, ActivationFormat::k16, ActivationFormat::kExact, ActivationFormat::kBf16};

// "8", "16", "exact" or "bf16", in options, files and answers alike.
constexpr std::string_view name(ActivationFormat format) {
  constexpr std::array<std::string_view, kActivationFormats.size()> kNames = {"8", "16", "exact",
                                                                              "bf16"};
  return kNames[static_cast<std::size_t>(format)];
}

constexpr std::optional<ActivationFormat> activation_format(std::string_view text) {
  for (const ActivationFormat format : kActivationFormats) {
    if (name(format) == text) return format;
  }
  return std::nullopt;
}

}  // namespace redknot
