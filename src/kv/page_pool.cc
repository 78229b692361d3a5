// SPDX-License-Identifier: Apache-2.0
#include "kv/page_pool.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "heads/visibility.h"

namespace redknot {
namespace {

static_assert(sizeof(std::size_t) == 8, "page counts times page bytes must not overflow");

constexpr std::size_t kPageAlignment = 64;  // bytes; a cache line and the widest vector

constexpr std::size_t round_up(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

std::size_t index_of(PageId page) { return static_cast<std::size_t>(page); }

Status check_options(const PagePoolOptions& options) {
  const PageShape& shape = options.shape;
  const Status page_tokens = check_page_tokens(shape.page_tokens);
  if (!page_tokens.ok()) return page_tokens.error().within("create page pool");
  if (shape.head_dim < 1 || shape.head_dim > 512) {
    return invalid("create page pool: head_dim is ", shape.head_dim, ", not in 1..512");
  }
  int largest = 0;
  for (const int count : options.page_count) {
    if (count < 0) return invalid("create page pool: page_count is ", count);
    largest = std::max(largest, count);
  }
  if (largest == 0) return invalid("create page pool: page_count is 0 for every format");
  return Done{};
}

// Bytes of one format's region; regions begin on a huge page.
std::size_t region_bytes(const PagePoolOptions& options, KvFormat format) {
  const auto count = static_cast<std::size_t>(options.page_count[index_of(format)]);
  return round_up(count * options.shape.bytes(format), HugeBuffer::kAlignment);
}

}  // namespace

Status check_page_tokens(int page_tokens) {
  if (page_tokens == 16 || page_tokens == 32 || page_tokens == 64 || page_tokens == 128) {
    return Done{};
  }
  return invalid("page_tokens is ", page_tokens, ", not 16, 32, 64 or 128");
}

std::size_t PageShape::values_offset(KvFormat format) const {
  constexpr std::array<std::size_t, kKvFormatCount> kElementBytes = {2, 1, 4};
  const std::size_t element_bytes = kElementBytes[index_of(format)];
  const std::size_t elements = static_cast<std::size_t>(head_dim) * page_tokens;
  return round_up(elements * element_bytes, kPageAlignment);
}

std::size_t PageShape::key_scales_offset() const {
  return values_offset(KvFormat::kQ8) + static_cast<std::size_t>(head_dim) * page_tokens;
}

std::size_t PageShape::value_scales_offset() const {
  return key_scales_offset() + std::size_t{2} * page_tokens;
}

std::size_t PageShape::key_bounds_offset(KvFormat format) const {
  if (format != KvFormat::kQ8) return 2 * values_offset(format);
  return value_scales_offset() + std::size_t{2} * page_tokens;
}

std::size_t PageShape::bytes(KvFormat format) const {
  const std::size_t bounds = key_bounds ? std::size_t{2} * 2 * head_dim : 0;
  return round_up(key_bounds_offset(format) + bounds, kPageAlignment);
}

std::size_t PageShape::bytes(const std::array<int, kKvFormatCount>& pages) const {
  std::size_t sum = 0;
  for (const KvFormat format : kKvFormats) {
    sum += static_cast<std::size_t>(pages[index_of(format)]) * bytes(format);
  }
  return sum;
}

PageCounts sum(const PageCounts& a, const PageCounts& b) {
  PageCounts out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t pages = std::int64_t{a[i]} + b[i];
    out[i] = static_cast<int>(std::min<std::int64_t>(pages, std::numeric_limits<int>::max()));
  }
  return out;
}

PageShape page_shape(const HeadProfile& profile, int page_tokens, int head_dim) {
  return {.page_tokens = page_tokens, .head_dim = head_dim, .key_bounds = selects_pages(profile)};
}

Result<std::unique_ptr<PagePool>> PagePool::create(const PagePoolOptions& options) {
  REDKNOT_RETURN_IF_ERROR(check_options(options));
  std::size_t bytes = 0;
  for (const KvFormat format : kKvFormats) bytes += region_bytes(options, format);
  Result<HugeBuffer> memory = HugeBuffer::allocate(bytes);
  if (!memory.ok()) return memory.error().within("create page pool");
  const Status populated = memory->populate();
  if (!populated.ok()) return populated.error().within("create page pool");
  return std::unique_ptr<PagePool>(new PagePool(options, std::move(*memory)));
}

PagePool::PagePool(const PagePoolOptions& options, HugeBuffer memory)
    : shape_(options.shape), memory_(std::move(memory)) {
  std::uint32_t first_page = 0;
  std::byte* next = memory_.bytes().data();
  for (const KvFormat format : kKvFormats) {
    Region& region = regions_[index_of(format)];
    region.first_page = first_page;
    region.bytes = next;
    region.page_bytes = shape_.bytes(format);
    region.page_count = options.page_count[index_of(format)];
    first_page += static_cast<std::uint32_t>(region.page_count);
    next += region_bytes(options, format);
    // Taken from the back: pages are handed out in address order at first.
    region.free.reserve(static_cast<std::size_t>(region.page_count));
    for (std::uint32_t page = first_page; page > region.first_page; --page) {
      region.free.push_back(PageId{page - 1});
    }
  }
  counts_.assign(first_page, 0);
}

int PagePool::total_pages(KvFormat format) const { return regions_[index_of(format)].page_count; }

int PagePool::free_pages(KvFormat format) const {
  return static_cast<int>(regions_[index_of(format)].free.size());
}

Result<PageId> PagePool::allocate(KvFormat format) {
  Region& region = regions_[index_of(format)];
  if (region.free.empty()) {
    return exhausted("allocate KV page: all ", region.page_count, " pages of its format are used");
  }
  const PageId page = region.free.back();
  region.free.pop_back();
  counts_[index_of(page)] = 1;
  return page;
}

void PagePool::share(PageId page) {
  REDKNOT_CHECK(reference_count(page) > 0);
  REDKNOT_CHECK(reference_count(page) < std::numeric_limits<int>::max());
  ++counts_[index_of(page)];
}

void PagePool::release(PageId page) {
  REDKNOT_CHECK(reference_count(page) > 0);
  if (--counts_[index_of(page)] == 0) regions_[index_of(format(page))].free.push_back(page);
}

int PagePool::reference_count(PageId page) const {
  REDKNOT_CHECK(index_of(page) < counts_.size());
  return static_cast<int>(counts_[index_of(page)]);
}

KvFormat PagePool::format(PageId page) const {
  REDKNOT_DCHECK(index_of(page) < counts_.size());
  KvFormat last = kKvFormats.front();
  for (const KvFormat format : kKvFormats) {
    if (static_cast<std::uint32_t>(page) >= regions_[index_of(format)].first_page) last = format;
  }
  return last;
}

const std::byte* PagePool::bytes(PageId page) const {
  const Region& region = regions_[index_of(format(page))];
  return region.bytes + (index_of(page) - region.first_page) * region.page_bytes;
}

std::byte* PagePool::bytes(PageId page) {
  return const_cast<std::byte*>(static_cast<const PagePool&>(*this).bytes(page));
}

bool PagePool::check() const {
  std::vector<bool> listed(counts_.size(), false);
  for (const Region& region : regions_) {
    for (const PageId page : region.free) {
      const std::size_t index = index_of(page);
      if (index < region.first_page) return false;
      if (index - region.first_page >= static_cast<std::size_t>(region.page_count)) return false;
      if (listed[index]) return false;
      listed[index] = true;
    }
  }
  // (1) and (2): each page is listed once or referenced, never both.
  for (std::size_t index = 0; index < counts_.size(); ++index) {
    if (listed[index] != (counts_[index] == 0)) return false;
  }
  return true;
}

}  // namespace redknot
