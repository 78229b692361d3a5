// SPDX-License-Identifier: Apache-2.0
// Number formats of weights in files: plain floats, and the block formats of GGUF.
//
// A block format stores `block_elements` weights of one matrix row in `block_bytes` bytes; a row is
// a whole number of blocks. Layouts and formulas follow the GGUF specification (ggml-common.h of
// llama.cpp names the same fields).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace redknot {

enum class DType : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
};
inline constexpr int kDTypeCount = 13;

std::string_view name(DType dtype);  // "F32", "Q4_K", ...
int block_elements(DType dtype);     // 1 for plain floats, 32, or 256
int block_bytes(DType dtype);

// Bytes of `count` elements. Requires count % block_elements == 0.
std::size_t bytes_of(DType dtype, std::size_t count);

// out[i] = value of element i. Requires out.size() % block_elements == 0 and
// blocks.size() >= bytes_of(dtype, out.size()). Plain loops: it is the definition of each format.
void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace redknot
