// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include "base/check.h"
#include "model/gguf.h"

namespace redknot {
namespace {

// Index: ggml's number. Removed types keep their numbers.
constexpr std::array<std::string_view, 42> kGgmlNames = {
    "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
    "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
    "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
    "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
    "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
    "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0"};

constexpr std::array<std::pair<std::uint32_t, DType>, kDTypeCount> kRunning = {{
    {0, DType::kF32},
    {1, DType::kF16},
    {2, DType::kQ4_0},
    {3, DType::kQ4_1},
    {6, DType::kQ5_0},
    {7, DType::kQ5_1},
    {8, DType::kQ8_0},
    {10, DType::kQ2_K},
    {11, DType::kQ3_K},
    {12, DType::kQ4_K},
    {13, DType::kQ5_K},
    {14, DType::kQ6_K},
    {30, DType::kBF16},
}};

}  // namespace

std::string_view ggml_type_name(std::uint32_t code) {
  return code < kGgmlNames.size() ? kGgmlNames[code] : std::string_view();
}

std::optional<DType> dtype_from_ggml(std::uint32_t code) {
  for (const auto& [number, dtype] : kRunning) {
    if (number == code) return dtype;
  }
  return std::nullopt;
}

std::uint32_t ggml_type_code(DType dtype) {
  for (const auto& [number, known] : kRunning) {
    if (known == dtype) return number;
  }
  REDKNOT_CHECK(false);
  return 0;
}

}  // namespace redknot
