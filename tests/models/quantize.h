// SPDX-License-Identifier: Apache-2.0
// Writes weights in the formats of dtype.h by rounding to nearest: correct and fast rather than the
// best that a format can hold. For tools and tests; no thread state.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/dtype.h"

namespace redknot {

// Encodes `values`, all finite. Requires values.size() % block_elements(dtype) == 0 and
// out.size() == bytes_of(dtype, values.size()).
void quantize(DType dtype, std::span<const float> values, std::span<std::byte> out);

}  // namespace redknot
