// SPDX-License-Identifier: Apache-2.0
#include "kernels/packed_matrix.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "tensor/half.h"

namespace redknot {
namespace {

// One output's weights for 32 inputs. Codes are int8 (-128..127) or nibbles (0..15).
struct Block {
  std::array<int, kQuantBlock> codes = {};
  std::uint16_t scale = 0;  // f16
  std::uint16_t min = 0;    // f16
};

std::uint16_t load_u16(const std::byte* bytes) {
  std::uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

int byte_at(const std::byte* bytes, int index) { return std::to_integer<int>(bytes[index]); }

// Low nibbles are elements 0..15, high nibbles 16..31 (Q4_0, Q4_1, Q5_0).
int nibble(const std::byte* bytes, int element) {
  return element < 16 ? byte_at(bytes, element) & 15 : byte_at(bytes, element - 16) >> 4;
}

Block block_q8_0(const std::byte* source) {
  Block block{.scale = load_u16(source)};
  for (int i = 0; i < kQuantBlock; ++i) {
    block.codes[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(byte_at(source, 2 + i));
  }
  return block;
}

Block block_q5_0(const std::byte* source) {
  Block block{.scale = load_u16(source)};
  std::uint32_t high;
  std::memcpy(&high, source + 2, sizeof(high));
  for (int i = 0; i < kQuantBlock; ++i) {
    const int fifth = static_cast<int>((high >> i) & 1u) << 4;
    block.codes[static_cast<std::size_t>(i)] = (nibble(source + 6, i) | fifth) - 16;
  }
  return block;
}

Block block_q4_0(const std::byte* source) {
  Block block{.scale = load_u16(source)};
  for (int i = 0; i < kQuantBlock; ++i) {
    block.codes[static_cast<std::size_t>(i)] = nibble(source + 2, i);
  }
  return block;
}

Block block_q4_1(const std::byte* source) {
  Block block{.scale = load_u16(source), .min = load_u16(source + 2)};
  for (int i = 0; i < kQuantBlock; ++i) {
    block.codes[static_cast<std::size_t>(i)] = nibble(source + 4, i);
  }
  return block;
}

// Sub-block `index` (0..7) of a Q4_K super-block of 256: f16 d, f16 dmin, 12 bytes that hold eight
// 6-bit scales and mins, 128 bytes of nibbles (64 elements per 32 bytes, low nibbles first).
Block block_q4_k(const std::byte* source, int index) {
  const std::byte* packed = source + 4;
  int scale, min;
  if (index < 4) {
    scale = byte_at(packed, index) & 63;
    min = byte_at(packed, index + 4) & 63;
  } else {
    scale = (byte_at(packed, index + 4) & 15) | ((byte_at(packed, index - 4) >> 6) << 4);
    min = (byte_at(packed, index + 4) >> 4) | ((byte_at(packed, index) >> 6) << 4);
  }
  Block block{.scale = f32_to_f16(f16_to_f32(load_u16(source)) * static_cast<float>(scale)),
              .min = f32_to_f16(-f16_to_f32(load_u16(source + 2)) * static_cast<float>(min))};
  const std::byte* nibbles = source + 16 + (index / 2) * 32;
  for (int i = 0; i < kQuantBlock; ++i) {
    const int byte = byte_at(nibbles, i);
    block.codes[static_cast<std::size_t>(i)] = index % 2 == 0 ? byte & 15 : byte >> 4;
  }
  return block;
}

Block requantize(std::span<const float> weights) {
  float peak = 0.0f;
  for (const float weight : weights) peak = std::max(peak, std::abs(weight));
  Block block{.scale = f32_to_f16(peak / 127.0f)};
  const float scale = f16_to_f32(block.scale);
  if (scale == 0.0f || !std::isfinite(scale)) return block;
  for (int i = 0; i < kQuantBlock; ++i) {
    const float code = std::nearbyint(weights[static_cast<std::size_t>(i)] / scale);
    if (std::isnan(code)) continue;
    block.codes[static_cast<std::size_t>(i)] = static_cast<int>(std::clamp(code, -127.0f, 127.0f));
  }
  return block;
}

Block encode_block(DType dtype, std::span<const std::byte> row, int index) {
  const auto at = [&](int block) { return row.data() + block * block_bytes(dtype); };
  switch (dtype) {
    case DType::kQ8_0:
      return block_q8_0(at(index));
    case DType::kQ5_0:
      return block_q5_0(at(index));
    case DType::kQ4_0:
      return block_q4_0(at(index));
    case DType::kQ4_1:
      return block_q4_1(at(index));
    case DType::kQ4_K:
      return block_q4_k(at(index / 8), index % 8);
    default:
      break;
  }
  const int per_file_block = block_elements(dtype) / kQuantBlock;
  std::array<float, 256> values;
  const auto whole =
      std::span<float>(values).first(static_cast<std::size_t>(per_file_block) * kQuantBlock);
  const std::size_t bytes = static_cast<std::size_t>(block_bytes(dtype));
  dequantize(dtype, row.subspan(static_cast<std::size_t>(index / per_file_block) * bytes, bytes),
             whole);
  return requantize(std::span<const float>(whole).subspan(
      static_cast<std::size_t>(index % per_file_block) * kQuantBlock, kQuantBlock));
}

void store_u16(std::byte* out, std::uint16_t value) { std::memcpy(out, &value, sizeof(value)); }

// Places one output's block into column n of a packed block.
void place_block(WeightFormat format, const Block& block, int n, std::byte* out) {
  const auto code = [&](int input) { return block.codes[static_cast<std::size_t>(input)]; };
  if (format == WeightFormat::kInt8) {
    for (int input = 0; input < kQuantBlock; ++input) {
      out[(input / 4) * 128 + n * 4 + input % 4] = static_cast<std::byte>(code(input) + 128);
    }
    store_u16(out + 1024 + n * 2, block.scale);
    return;
  }
  for (int input = 0; input < kQuantBlock / 2; ++input) {
    out[(input / 4) * 128 + n * 4 + input % 4] =
        static_cast<std::byte>(code(input) | (code(input + 16) << 4));
  }
  store_u16(out + 512 + n * 2, block.scale);
  if (format == WeightFormat::kInt4Min) store_u16(out + 576 + n * 2, block.min);
}

void pack_integer_panel(const PackedMatrix& matrix, int index, DType dtype,
                        std::span<const std::byte> rows, std::byte* panel) {
  const std::size_t row_bytes = bytes_of(dtype, static_cast<std::size_t>(matrix.inputs));
  const std::size_t packed_bytes = integer_block_bytes(matrix.format);
  for (int n = 0; n < kPanelColumns; ++n) {
    const int output = index * kPanelColumns + n;
    for (int b = 0; b < matrix.inputs / kQuantBlock; ++b) {
      Block block;
      if (output < matrix.outputs) {
        block = encode_block(
            dtype, rows.subspan(static_cast<std::size_t>(output) * row_bytes, row_bytes), b);
      }
      place_block(matrix.format, block, n, panel + static_cast<std::size_t>(b) * packed_bytes);
    }
  }
}

void pack_float_panel(const PackedMatrix& matrix, int index, std::span<const std::byte> rows,
                      std::byte* panel) {
  const std::size_t element = matrix.format == WeightFormat::kF32 ? 4 : 2;
  const auto inputs = static_cast<std::size_t>(matrix.inputs);
  std::memset(panel, 0, matrix.panel_bytes());
  for (std::size_t n = 0; n < kPanelColumns; ++n) {
    const std::size_t output = static_cast<std::size_t>(index) * kPanelColumns + n;
    if (output >= static_cast<std::size_t>(matrix.outputs)) return;
    const std::byte* row = rows.data() + output * inputs * element;
    for (std::size_t k = 0; k < inputs; ++k) {
      const std::size_t at = matrix.format == WeightFormat::kBF16
                                 ? (k / 2 * kPanelColumns + n) * 2 + k % 2
                                 : k * kPanelColumns + n;
      std::memcpy(panel + at * element, row + k * element, element);
    }
  }
}

}  // namespace

WeightFormat packed_format(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return WeightFormat::kF32;
    case DType::kF16:
      return WeightFormat::kF16;
    case DType::kBF16:
      return WeightFormat::kBF16;
    case DType::kQ4_0:
      return WeightFormat::kInt4;
    case DType::kQ4_1:
    case DType::kQ4_K:
      return WeightFormat::kInt4Min;
    default:
      return WeightFormat::kInt8;
  }
}

bool is_integer(WeightFormat format) { return format >= WeightFormat::kInt8; }

std::size_t integer_block_bytes(WeightFormat format) {
  switch (format) {
    case WeightFormat::kInt8:
      return 1024 + 64;
    case WeightFormat::kInt4:
      return 512 + 64;
    case WeightFormat::kInt4Min:
      return 512 + 128;
    default:
      REDKNOT_CHECK(false);
  }
}

std::size_t PackedMatrix::panel_bytes() const {
  const auto k = static_cast<std::size_t>(inputs);
  if (is_integer(format)) return k / kQuantBlock * integer_block_bytes(format);
  if (format == WeightFormat::kBF16) return (k + 1) / 2 * 2 * kPanelColumns * 2;
  return k * kPanelColumns * (format == WeightFormat::kF32 ? 4 : 2);
}

void pack_panel(const PackedMatrix& matrix, int index, DType dtype, std::span<const std::byte> rows,
                std::byte* out) {
  REDKNOT_CHECK(packed_format(dtype) == matrix.format);
  std::byte* panel = out + matrix.panel_bytes() * static_cast<std::size_t>(index);
  if (is_integer(matrix.format)) {
    REDKNOT_CHECK(matrix.inputs % kQuantBlock == 0);
    pack_integer_panel(matrix, index, dtype, rows, panel);
  } else {
    pack_float_panel(matrix, index, rows, panel);
  }
}

float packed_weight(const PackedMatrix& matrix, const std::byte* panel, int n, int k) {
  const auto flat = static_cast<std::size_t>(k) * kPanelColumns + static_cast<std::size_t>(n);
  switch (matrix.format) {
    case WeightFormat::kF32: {
      float weight;
      std::memcpy(&weight, panel + flat * 4, sizeof(weight));
      return weight;
    }
    case WeightFormat::kF16:
      return f16_to_f32(load_u16(panel + flat * 2));
    case WeightFormat::kBF16:
      return bf16_to_f32(load_u16(panel + (k / 2 * kPanelColumns + n) * 4 + k % 2 * 2));
    default:
      break;
  }
  const std::byte* block =
      panel + static_cast<std::size_t>(k / kQuantBlock) * integer_block_bytes(matrix.format);
  const int input = k % kQuantBlock;
  if (matrix.format == WeightFormat::kInt8) {
    const int code = byte_at(block, (input / 4) * 128 + n * 4 + input % 4) - 128;
    return static_cast<float>(code) * f16_to_f32(load_u16(block + 1024 + n * 2));
  }
  const int low = input % 16;
  const int byte = byte_at(block, (low / 4) * 128 + n * 4 + low % 4);
  const int code = input < 16 ? byte & 15 : byte >> 4;
  const float scale = f16_to_f32(load_u16(block + 512 + n * 2));
  if (matrix.format == WeightFormat::kInt4) return static_cast<float>(code - 8) * scale;
  return static_cast<float>(code) * scale + f16_to_f32(load_u16(block + 576 + n * 2));
}

void unpack_panel(const PackedMatrix& matrix, int index, std::span<float> out) {
  const std::byte* panel = matrix.panel(index);
  for (int n = 0; n < kPanelColumns; ++n) {
    for (int k = 0; k < matrix.inputs; ++k) {
      out[static_cast<std::size_t>(n) * matrix.inputs + k] = packed_weight(matrix, panel, n, k);
    }
  }
}

}  // namespace redknot
