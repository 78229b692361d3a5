// SPDX-License-Identifier: Apache-2.0
#include "kv/page_codec.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "tensor/half.h"

namespace redknot {
namespace {

constexpr float kLargestHalf = 65504.0f;
constexpr float kLargestQ8 = 127.0f;

// Where one vector lies in an array: its element i is the array's (first + i * stride)-th.
struct Strided {
  std::size_t first = 0;
  std::size_t stride = 1;
  std::size_t at(std::size_t i) const { return first + i * stride; }
};

Strided key_elements(const PageShape& shape, int slot) {
  return {.first = static_cast<std::size_t>(slot),
          .stride = static_cast<std::size_t>(shape.page_tokens)};
}

Strided value_elements(const PageShape& shape, int slot) {
  return {.first = static_cast<std::size_t>(slot) * shape.head_dim, .stride = 1};
}

void store_half(std::byte* array, std::size_t index, std::uint16_t half) {
  std::memcpy(array + index * sizeof half, &half, sizeof half);
}

float load_half(const std::byte* array, std::size_t index) {
  std::uint16_t half = 0;
  std::memcpy(&half, array + index * sizeof half, sizeof half);
  return f16_to_f32(half);
}

float finite(float x) { return std::isnan(x) ? 0.0f : std::clamp(x, -kLargestHalf, kLargestHalf); }

// The smallest half h with 127 h >= largest. The product is exact: 11 bits times 7.
std::uint16_t q8_scale(float largest) {
  const std::uint16_t nearest = f32_to_f16(largest / kLargestQ8);
  return f16_to_f32(nearest) * kLargestQ8 < largest ? nearest + 1 : nearest;
}

void write_f16(std::byte* array, Strided where, std::span<const float> x) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    store_half(array, where.at(i), f32_to_f16(finite(x[i])));
  }
}

void read_f16(const std::byte* array, Strided where, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = load_half(array, where.at(i));
}

// Returns the scale.
std::uint16_t write_q8(std::byte* array, Strided where, std::span<const float> x) {
  float largest = 0.0f;
  for (const float element : x) largest = std::max(largest, std::abs(finite(element)));
  const std::uint16_t half = q8_scale(largest);
  const float scale = f16_to_f32(half);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float q = scale == 0.0f ? 0.0f : std::nearbyint(finite(x[i]) / scale);
    array[where.at(i)] = static_cast<std::byte>(static_cast<std::int8_t>(q));
  }
  return half;
}

void read_q8(const std::byte* array, Strided where, float scale, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = scale * static_cast<float>(static_cast<std::int8_t>(array[where.at(i)]));
  }
}

void check_slot(const PageShape& shape, int slot, std::size_t size) {
  REDKNOT_CHECK(slot >= 0 && slot < shape.page_tokens);
  REDKNOT_CHECK(size == static_cast<std::size_t>(shape.head_dim));
}

}  // namespace

void write_slot(const PageShape& shape, KvFormat format, std::byte* page, int slot,
                std::span<const float> key, std::span<const float> value) {
  check_slot(shape, slot, key.size());
  check_slot(shape, slot, value.size());
  std::byte* const values = page + shape.values_offset(format);
  const auto index = static_cast<std::size_t>(slot);
  switch (format) {
    case KvFormat::kF16:
      write_f16(page, key_elements(shape, slot), key);
      write_f16(values, value_elements(shape, slot), value);
      return;
    case KvFormat::kQ8:
      store_half(page + shape.key_scales_offset(), index,
                 write_q8(page, key_elements(shape, slot), key));
      store_half(page + shape.value_scales_offset(), index,
                 write_q8(values, value_elements(shape, slot), value));
      return;
  }
}

void read_key(const PageShape& shape, KvFormat format, const std::byte* page, int slot,
              std::span<float> out) {
  check_slot(shape, slot, out.size());
  const Strided where = key_elements(shape, slot);
  if (format == KvFormat::kF16) return read_f16(page, where, out);
  const auto index = static_cast<std::size_t>(slot);
  read_q8(page, where, load_half(page + shape.key_scales_offset(), index), out);
}

void read_value(const PageShape& shape, KvFormat format, const std::byte* page, int slot,
                std::span<float> out) {
  check_slot(shape, slot, out.size());
  const std::byte* const values = page + shape.values_offset(format);
  const Strided where = value_elements(shape, slot);
  if (format == KvFormat::kF16) return read_f16(values, where, out);
  const auto index = static_cast<std::size_t>(slot);
  read_q8(values, where, load_half(page + shape.value_scales_offset(), index), out);
}

}  // namespace redknot
