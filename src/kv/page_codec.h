// SPDX-License-Identifier: Apache-2.0
// One token's key and value in and out of a page, in plain loops: the definition of both formats
// that vector code is tested against. Page layout: page_pool.h. Pure functions, any thread.
//
// Elements are first made finite: NaN becomes 0, the rest is clamped to +-65504, so that a page
// never holds anything but finite numbers. Rounding is to nearest, ties to even.
//   f16: each element as half precision.
//   q8:  scale = max|x| / 127 rounded up to half precision, so that no element clips;
//        q = round(x / scale). A vector of zeros has scale 0.
#pragma once

#include <cstddef>
#include <span>

#include "heads/head_profile.h"
#include "kv/page_pool.h"

namespace redknot {

// Writes slot `slot` of a page: key and value, [head_dim] each. Requires 0 <= slot < page_tokens.
void write_slot(const PageShape& shape, KvFormat format, std::byte* page, int slot,
                std::span<const float> key, std::span<const float> value);

// Reads the key, or the value, of a slot into out [head_dim].
void read_key(const PageShape& shape, KvFormat format, const std::byte* page, int slot,
              std::span<float> out);
void read_value(const PageShape& shape, KvFormat format, const std::byte* page, int slot,
                std::span<float> out);

}  // namespace redknot
