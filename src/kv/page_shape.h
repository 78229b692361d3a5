// SPDX-License-Identifier: Apache-2.0
// What a page is made of: how many slots, of which head dimension, in which format. Plain values
// that the allocator, the memory and the plan agree on; any thread may use them.
//
// A page holds `page_tokens` slots of K and V of one (layer, KV head) in one format.
// Layout, f16 (T = page_tokens, D = head_dim):  keys f16 [D, T], values f16 [T, D].
// f32: the same in f32. q8: keys int8 [D, T], values int8 [T, D], key scales f16 [T], value scales
// f16 [T]. k8v4 (B = value_blocks(D)): keys int8 [D, T], values [T, B] blocks of 16 bytes, whose
// byte i holds element i in its low half and element 16 + i in its high half; key scales f16 [T],
// value scales f16 [T, B], value minima f16 [T, B].
// Pages and their values begin at multiples of 64 bytes, everything else right after what it
// follows. Keys lie transposed so that one vector holds one element of consecutive tokens. With
// key bounds, each page ends with the greatest and the least of each element of its keys,
// f16 [2, D], rounded outward: written when the page is full, for queries that select pages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "heads/head_profile.h"
#include "redknot/result.h"

namespace redknot {

using PageCounts = std::array<int, kKvFormatCount>;  // by format

// Both together; saturates.
PageCounts sum(const PageCounts& a, const PageCounts& b);

// Whether there are at least as many of each format.
bool covers(const PageCounts& available, const PageCounts& wanted);

// Pages that so many tokens fill, from the start of a page.
inline std::int64_t pages_for(std::int64_t tokens, int page_tokens) {
  return (tokens + page_tokens - 1) / page_tokens;
}

struct PageShape {
  int page_tokens = 64;  // 16, 32, 64 or 128
  int head_dim = 0;      // 1..512
  bool key_bounds = false;

  std::size_t bytes(KvFormat format) const;          // rounded up to 64
  std::size_t bytes(const PageCounts& pages) const;  // so many of each format
  // Byte offsets inside a page.
  std::size_t values_offset(KvFormat format) const;
  std::size_t key_scales_offset(KvFormat format) const;  // this and the next: q8, k8v4
  std::size_t value_scales_offset(KvFormat format) const;
  std::size_t value_minima_offset() const;  // k8v4 only
  std::size_t key_bounds_offset(KvFormat format) const;
  bool operator==(const PageShape&) const = default;
};

// Of the pages that a profile needs: with key bounds if any of its heads selects pages.
PageShape page_shape(const HeadProfile& profile, int page_tokens, int head_dim);

// kInvalidArgument unless pages may have so many slots.
Status check_page_tokens(int page_tokens);

// What an allocator and the memory that belongs to it are made for.
struct PageOptions {
  PageShape shape;
  PageCounts page_count = {};  // frames, per KvFormat
};

// kInvalidArgument for a shape or a count out of range, or no page at all.
Status check(const PageOptions& options);

}  // namespace redknot
