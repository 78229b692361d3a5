// SPDX-License-Identifier: Apache-2.0
// Pages as kernels see them, and their contents slot by slot, for what is not worth a kernel.
#pragma once

#include "kernels/kernels.h"
#include "kv/page_memory.h"

namespace redknot {

PageView page_view(PageMemory& memory, FrameId frame);
PageView page_view(const PageShape& shape, KvFormat format, std::byte* bytes);

// The key in a slot, as it was rotated, out [head_dim]. Requires a page of f32 or f16.
void read_key(const PageView& page, int slot, float* out);

// The value in a slot as the page holds it, out [head_dim].
void read_value(const PageView& page, int slot, float* out);

}  // namespace redknot
