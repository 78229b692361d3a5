// SPDX-License-Identifier: Apache-2.0
// Weights of a linear layer as the kernels want them: panels of 32 output columns, each streamed
// once from front to back, the same for one input row and for two thousand.
//
// Formats, K = inputs, one panel of 32 outputs n:
//   f32, f16                [K][32] elements
//   bf16                    [K/2][32][2] elements, K rounded up to even with zeros
//   int8                    K/32 blocks of  u8 [8][32][4] (code + 128), f16 scale [32]
//   int4                    K/32 blocks of  u8 [4][32][4] (two codes), f16 scale [32]
//   int4_min                K/32 blocks of  u8 [4][32][4] (two codes), f16 scale [32], f16 min [32]
// In an int8 block, byte [g][n][j] is input 4g+j of output n; in an int4 block the low nibble of
// byte [g][n][j] is input 4g+j and the high nibble input 4(g+4)+j. A weight is scale * code for
// int8, scale * (code - 8) for int4, scale * code + min for int4_min. Outputs that do not exist (N
// not a multiple of 32) have scale and min 0.
//
// Which format a file's type becomes: F32, F16, BF16 as they are. Q8_0, Q5_0 -> int8 and Q4_0 ->
// int4, both without loss. Q4_1 -> int4_min without loss. Q4_K -> int4_min, where the products of
// its two-level scales are rounded to f16. Q5_1, Q2_K, Q3_K, Q5_K, Q6_K -> int8, requantised per
// 32. Any block type whose inputs are not a multiple of 32 cannot occur.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace redknot {

inline constexpr int kPanelColumns = 32;
inline constexpr int kQuantBlock = 32;  // inputs that share a scale

enum class WeightFormat : std::uint8_t { kF32, kF16, kBF16, kInt8, kInt4, kInt4Min };

WeightFormat packed_format(DType dtype);
bool is_integer(WeightFormat format);

// A packed matrix. A value that borrows its bytes (64-byte aligned).
struct PackedMatrix {
  WeightFormat format = WeightFormat::kF32;
  int outputs = 0;  // N
  int inputs = 0;   // K
  const std::byte* bytes = nullptr;

  int panels() const { return (outputs + kPanelColumns - 1) / kPanelColumns; }
  std::size_t panel_bytes() const;
  std::size_t size_bytes() const { return panel_bytes() * static_cast<std::size_t>(panels()); }
  const std::byte* panel(int index) const {
    return bytes + panel_bytes() * static_cast<std::size_t>(index);
  }
};

// Bytes of one block of 32 inputs of an integer panel.
std::size_t integer_block_bytes(WeightFormat format);

// Writes panel `index` of `matrix` to its place in `out` (the start of the whole packed matrix)
// from the file's rows [outputs, inputs]. Any thread; panels are independent.
void pack_panel(const PackedMatrix& matrix, int index, DType dtype, std::span<const std::byte> rows,
                std::byte* out);

// The weight of output `n` of a panel and input `k`. The definition of the formats.
float packed_weight(const PackedMatrix& matrix, const std::byte* panel, int n, int k);

// The weights that one packed panel stands for: out [32, inputs].
void unpack_panel(const PackedMatrix& matrix, int index, std::span<float> out);

}  // namespace redknot
