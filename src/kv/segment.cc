// SPDX-License-Identifier: Apache-2.0
#include "kv/segment.h"

#include <utility>

#include "base/check.h"

namespace redknot {

Segment::Segment(PageAllocator& pages, const SequenceKv& sequence, PositionRange positions)
    : allocator_(&pages),
      positions_(positions),
      layers_(sequence.profile().layers),
      kv_heads_(sequence.profile().kv_heads) {
  REDKNOT_CHECK(positions.begin >= 0 && positions.begin <= positions.end);
  for (int head = 0; head < layers_ * kv_heads_; ++head) {
    std::vector<PositionRange> ranges;
    int next = positions.begin;
    for (const PageRef& entry : sequence.table(head / kv_heads_, head % kv_heads_)) {
      if (entry.end() <= positions.begin || entry.position >= positions.end) continue;
      REDKNOT_CHECK(entry.position == next && entry.shift == 0 && entry.end() <= positions.end);
      pages.share(entry.page, Hold::kKeeps);
      ids_.push_back(entry.page);
      ranges.push_back({entry.position - positions.begin, entry.end() - positions.begin});
      next = entry.end();
    }
    REDKNOT_CHECK(next == positions.end);
    if (head == 0) ranges_ = std::move(ranges);
    REDKNOT_CHECK(ids_.size() == ranges_.size() * (static_cast<std::size_t>(head) + 1));
  }
}

Segment::Segment(Segment&& other) noexcept
    : allocator_(other.allocator_),
      positions_(other.positions_),
      layers_(other.layers_),
      kv_heads_(other.kv_heads_),
      ids_(std::exchange(other.ids_, {})),
      ranges_(std::exchange(other.ranges_, {})) {}

Segment& Segment::operator=(Segment&& other) noexcept {
  Segment taken(std::move(other));
  std::swap(allocator_, taken.allocator_);
  std::swap(positions_, taken.positions_);
  std::swap(layers_, taken.layers_);
  std::swap(kv_heads_, taken.kv_heads_);
  std::swap(ids_, taken.ids_);
  std::swap(ranges_, taken.ranges_);
  return *this;
}

Segment::~Segment() {
  for (const PageId page : ids_) allocator_->release(page, Hold::kKeeps);
}

PageCounts Segment::page_count() const {
  PageCounts pages{};
  for (const PageId page : ids_) ++pages[index_of(allocator_->format(page))];
  return pages;
}

void Segment::adopt_into(SequenceKv& sequence) const {
  REDKNOT_CHECK(sequence.profile().layers == layers_ && sequence.profile().kv_heads == kv_heads_);
  const int shift = sequence.length() - canonical_position();
  for (int head = 0; head < layers_ * kv_heads_; ++head) {
    const auto pages = std::span(ids_).subspan(head * ranges_.size(), ranges_.size());
    sequence.adopt(head / kv_heads_, head % kv_heads_, pages, tokens(), shift);
  }
  sequence.advance(tokens());
  sequence.end_page();
}

}  // namespace redknot
