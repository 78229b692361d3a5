// SPDX-License-Identifier: Apache-2.0
// All KV memory of an engine: fixed-size pages, counted and handed out by name.
//
// A page holds `page_tokens` slots of K and V of one (layer, KV head) in one format. The pool is
// one allocation made at construction (huge pages asked for, every OS page touched once), cut into
// one region per format. Immovable; used by the step loop only, except that pointers to page bytes
// may be read and written by compute workers inside a step.
//
// Page layout, f16 (T = page_tokens, D = head_dim):  keys f16 [D, T], values f16 [T, D].
// f32: the same in f32. q8: keys int8 [D, T], values int8 [T, D], key scales f16 [T], value scales
// f16 [T].
// Pages and their values begin at multiples of 64 bytes, everything else right after what it
// follows. Keys lie transposed so that one vector holds one element of consecutive tokens. With
// key bounds, each ends with the greatest and the least of each element of its keys, f16 [2, D],
// rounded outward: written when the page is full, for queries that select pages.
//
// Invariants: (1) free + referenced = total, per format; (2) a page is on a free list iff its count
// is zero; (3) bytes of pages are always finite numbers: memory starts as zeros and only finite
// values are ever written, so a masked slot contributes exactly nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/huge_buffer.h"
#include "heads/head_profile.h"
#include "redknot/result.h"

namespace redknot {

enum class PageId : std::uint32_t {};

using PageCounts = std::array<int, kKvFormatCount>;  // by format

// Both together; saturates.
PageCounts sum(const PageCounts& a, const PageCounts& b);

// Pages that so many tokens fill, from the start of a page.
inline std::int64_t pages_for(std::int64_t tokens, int page_tokens) {
  return (tokens + page_tokens - 1) / page_tokens;
}

struct PageShape {
  int page_tokens = 64;  // 16, 32, 64 or 128
  int head_dim = 0;      // 1..512
  bool key_bounds = false;

  std::size_t bytes(KvFormat format) const;                               // rounded up to 64
  std::size_t bytes(const std::array<int, kKvFormatCount>& pages) const;  // so many of each format
  // Byte offsets inside a page.
  std::size_t values_offset(KvFormat format) const;
  std::size_t key_scales_offset() const;    // q8 only
  std::size_t value_scales_offset() const;  // q8 only
  std::size_t key_bounds_offset(KvFormat format) const;
};

// Of the pages that a profile needs: with key bounds if any of its heads selects pages.
PageShape page_shape(const HeadProfile& profile, int page_tokens, int head_dim);

// kInvalidArgument unless pages may have so many slots.
Status check_page_tokens(int page_tokens);

struct PagePoolOptions {
  PageShape shape;
  std::array<int, kKvFormatCount> page_count = {};  // per KvFormat
};

class PagePool {
 public:
  // kInvalidArgument for a shape or a count out of range, or no page at all; kResourceExhausted,
  // with the size, if the system has no such memory. Touches all memory from the calling thread.
  static Result<std::unique_ptr<PagePool>> create(const PagePoolOptions& options);
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  const PageShape& shape() const { return shape_; }
  int total_pages(KvFormat format) const;
  int free_pages(KvFormat format) const;

  // A page with count 1, or kResourceExhausted. Its bytes are whatever was there. O(1).
  Result<PageId> allocate(KvFormat format);
  void share(PageId page);    // count + 1. Requires a referenced page.
  void release(PageId page);  // count - 1; at zero the page is free again.
  int reference_count(PageId page) const;

  KvFormat format(PageId page) const;
  std::byte* bytes(PageId page);
  const std::byte* bytes(PageId page) const;

  // True if the invariants hold. O(pages).
  bool check() const;

 private:
  struct Region {
    std::uint32_t first_page = 0;
    std::byte* bytes = nullptr;
    std::size_t page_bytes = 0;
    int page_count = 0;
    std::vector<PageId> free;
  };
  PagePool(const PagePoolOptions& options, HugeBuffer memory);

  PageShape shape_;
  HugeBuffer memory_;
  std::array<Region, kKvFormatCount> regions_;
  std::vector<std::uint32_t> counts_;  // by PageId
};

}  // namespace redknot
