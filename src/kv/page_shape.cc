// SPDX-License-Identifier: Apache-2.0
#include "kv/page_shape.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "heads/visibility.h"

namespace redknot {
namespace {

constexpr std::size_t kPageAlignment = 64;  // bytes; a cache line and the widest vector

constexpr std::size_t round_up(std::size_t bytes) {
  return (bytes + kPageAlignment - 1) / kPageAlignment * kPageAlignment;
}

}  // namespace

Status check_page_tokens(int page_tokens) {
  if (page_tokens == 16 || page_tokens == 32 || page_tokens == 64 || page_tokens == 128) {
    return Done{};
  }
  return invalid("page_tokens is ", page_tokens, ", not 16, 32, 64 or 128");
}

Status check(const PageOptions& options) {
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

std::size_t PageShape::values_offset(KvFormat format) const {
  constexpr std::array<std::size_t, kKvFormatCount> kKeyBytes = {2, 1, 4, 1};
  const std::size_t elements = static_cast<std::size_t>(head_dim) * page_tokens;
  return round_up(elements * kKeyBytes[index_of(format)]);
}

std::size_t PageShape::key_scales_offset(KvFormat format) const {
  const int row_bytes =
      format == KvFormat::kK8V4 ? value_blocks(head_dim) * kValueBlock / 2 : head_dim;
  return values_offset(format) + static_cast<std::size_t>(row_bytes) * page_tokens;
}

std::size_t PageShape::value_scales_offset(KvFormat format) const {
  return key_scales_offset(format) + std::size_t{2} * page_tokens;
}

std::size_t PageShape::value_minima_offset() const {
  return value_scales_offset(KvFormat::kK8V4) +
         std::size_t{2} * page_tokens * value_blocks(head_dim);
}

std::size_t PageShape::key_bounds_offset(KvFormat format) const {
  if (format == KvFormat::kQ8) return value_scales_offset(format) + std::size_t{2} * page_tokens;
  if (format == KvFormat::kK8V4) {
    return value_minima_offset() + std::size_t{2} * page_tokens * value_blocks(head_dim);
  }
  return 2 * values_offset(format);
}

std::size_t PageShape::bytes(KvFormat format) const {
  const std::size_t bounds = key_bounds ? std::size_t{2} * 2 * head_dim : 0;
  return round_up(key_bounds_offset(format) + bounds);
}

std::size_t PageShape::bytes(const PageCounts& pages) const {
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

bool covers(const PageCounts& available, const PageCounts& wanted) {
  for (std::size_t i = 0; i < available.size(); ++i) {
    if (available[i] < wanted[i]) return false;
  }
  return true;
}

PageShape page_shape(const HeadProfile& profile, int page_tokens, int head_dim) {
  return {.page_tokens = page_tokens, .head_dim = head_dim, .key_bounds = selects_pages(profile)};
}

}  // namespace redknot
