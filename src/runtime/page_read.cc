// SPDX-License-Identifier: Apache-2.0
#include "runtime/page_read.h"

#include <cstring>

#include "base/check.h"
#include "tensor/half.h"

namespace redknot {

PageView page_view(PageMemory& memory, FrameId frame) {
  return page_view(memory.shape(), memory.format(frame), memory.bytes(frame));
}

PageView page_view(const PageShape& shape, KvFormat format, std::byte* bytes) {
  PageView view{.format = format,
                .page_tokens = shape.page_tokens,
                .head_dim = shape.head_dim,
                .keys = bytes,
                .values = bytes + shape.values_offset(format)};
  if (key_element(format) == KvElement::kInt8) {
    view.key_scales = reinterpret_cast<std::uint16_t*>(bytes + shape.key_scales_offset(format));
    view.value_scales = reinterpret_cast<std::uint16_t*>(bytes + shape.value_scales_offset(format));
  }
  if (format == KvFormat::kK8V4) {
    view.value_minima = reinterpret_cast<std::uint16_t*>(bytes + shape.value_minima_offset());
  }
  if (shape.key_bounds) {
    view.key_bounds = reinterpret_cast<std::uint16_t*>(bytes + shape.key_bounds_offset(format));
  }
  return view;
}

void read_key(const PageView& page, int slot, float* out) {
  REDKNOT_CHECK(page.format == KvFormat::kF32 || page.format == KvFormat::kF16);
  for (int d = 0; d < page.head_dim; ++d) {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(d) * page.page_tokens + slot;
    if (page.format == KvFormat::kF32) {
      std::memcpy(out + d, page.keys + at * 4, 4);
    } else {
      out[d] = f16_to_f32(reinterpret_cast<const std::uint16_t*>(page.keys)[at]);
    }
  }
}

void read_value(const PageView& page, int slot, float* out) {
  const int dim = page.head_dim;
  const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(slot) * dim;
  if (page.format == KvFormat::kF32) {
    std::memcpy(out, page.values + first * 4, static_cast<std::size_t>(dim) * 4);
  } else if (page.format == KvFormat::kF16) {
    const auto* values = reinterpret_cast<const std::uint16_t*>(page.values) + first;
    for (int d = 0; d < dim; ++d) out[d] = f16_to_f32(values[d]);
  } else if (page.format == KvFormat::kK8V4) {
    const int blocks = value_blocks(dim);
    for (int d = 0; d < dim; ++d) {
      const std::ptrdiff_t block = static_cast<std::ptrdiff_t>(slot) * blocks + d / kValueBlock;
      const int byte = std::to_integer<int>(page.values[block * (kValueBlock / 2) + d % 16]);
      const int code = d % kValueBlock < 16 ? byte & 15 : byte >> 4;
      out[d] = f16_to_f32(page.value_minima[block]) +
               f16_to_f32(page.value_scales[block]) * static_cast<float>(code);
    }
  } else {
    const auto* values = reinterpret_cast<const std::int8_t*>(page.values) + first;
    const float scale = f16_to_f32(page.value_scales[slot]);
    for (int d = 0; d < dim; ++d) out[d] = scale * static_cast<float>(values[d]);
  }
}

}  // namespace redknot
