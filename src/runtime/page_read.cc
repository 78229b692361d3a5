// SPDX-License-Identifier: Apache-2.0
#include "runtime/page_read.h"

#include <cstring>

#include "tensor/half.h"

namespace redknot {

PageView page_view(PageMemory& memory, FrameId frame) {
  const PageShape& shape = memory.shape();
  const KvFormat format = memory.format(frame);
  std::byte* bytes = memory.bytes(frame);
  PageView view{.format = format,
                .page_tokens = shape.page_tokens,
                .head_dim = shape.head_dim,
                .keys = bytes,
                .values = bytes + shape.values_offset(format)};
  if (format == KvFormat::kQ8) {
    view.key_scales = reinterpret_cast<std::uint16_t*>(bytes + shape.key_scales_offset());
    view.value_scales = reinterpret_cast<std::uint16_t*>(bytes + shape.value_scales_offset());
  }
  if (shape.key_bounds) {
    view.key_bounds = reinterpret_cast<std::uint16_t*>(bytes + shape.key_bounds_offset(format));
  }
  return view;
}

void read_value(const PageView& page, int slot, float* out) {
  const int dim = page.head_dim;
  const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(slot) * dim;
  if (page.format == KvFormat::kF32) {
    std::memcpy(out, page.values + first * 4, static_cast<std::size_t>(dim) * 4);
  } else if (page.format == KvFormat::kF16) {
    const auto* values = reinterpret_cast<const std::uint16_t*>(page.values) + first;
    for (int d = 0; d < dim; ++d) out[d] = f16_to_f32(values[d]);
  } else {
    const auto* values = reinterpret_cast<const std::int8_t*>(page.values) + first;
    const float scale = f16_to_f32(page.value_scales[slot]);
    for (int d = 0; d < dim; ++d) out[d] = scale * static_cast<float>(values[d]);
  }
}

}  // namespace redknot
