// SPDX-License-Identifier: Apache-2.0
// PageSum adds up pages by the format of their heads, and saturates when it is asked for the sums.
// It owns the sums alone. Whoever counts the pages of tables or of policies makes one on its stack;
// any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kv/page_shape.h"

namespace redknot {

class PageSum {
 public:
  void add(KvFormat format, std::int64_t pages) { sums_[index_of(format)] += pages; }
  PageCounts total() const {
    PageCounts pages{};
    for (std::size_t i = 0; i < pages.size(); ++i) {
      constexpr std::int64_t kMost = std::numeric_limits<int>::max();
      pages[i] = static_cast<int>(std::min(sums_[i], kMost));
    }
    return pages;
  }

 private:
  std::array<std::int64_t, kKvFormatCount> sums_ = {};
};

}  // namespace redknot
