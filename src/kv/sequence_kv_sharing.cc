// SPDX-License-Identifier: Apache-2.0
// How sequences begin with pages that others hold.
#include <algorithm>

#include "base/check.h"
#include "kv/sequence_kv.h"

namespace redknot {

SequenceKv SequenceKv::fork(PageLog log) const {
  SequenceKv copy(*allocator_, profile(), log);
  copy.begin_with(*this);
  return copy;
}

void SequenceKv::begin_with(const SequenceKv& other) {
  REDKNOT_CHECK(length_ == 0 && other.reused_.size() == reused_.size());
  for (int head = 0; head < tables_.heads(); ++head) {
    REDKNOT_CHECK(policy(head).kv_format == other.policy(head).kv_format);
  }
  for (int head = 0; head < tables_.heads(); ++head) {
    for (const PageRef& entry : other.tables_.at(head)) {
      allocator_->share(entry.page);
      change({.kind = PageOp::Kind::kAppend, .head = head, .entry = entry});
    }
  }
  reused_ = other.reused_;
  length_ = other.length_;
  forgotten_ = other.forgotten_;
  page_ended_at_ = other.page_ended_at_;
}

std::optional<SequenceKv> SequenceKv::prefix(int tokens) const {
  REDKNOT_CHECK(tokens >= 0 && tokens <= length_);
  SequenceKv out(*allocator_, profile());
  out.length_ = tokens;
  out.forgotten_ = std::min(forgotten_, tokens);
  for (int head = 0; head < tables_.heads(); ++head) {
    for (PageRef entry : tables_.at(head)) {
      if (entry.position >= tokens) break;
      if (entry.end() > tokens && (entry.reused || entry.shift != 0)) return std::nullopt;
      entry.tokens = std::min(entry.tokens, tokens - entry.position);
      allocator_->share(entry.page);
      out.change({.kind = PageOp::Kind::kAppend, .head = head, .entry = entry});
      out.reused_[static_cast<std::size_t>(head)] += entry.reused ? 1 : 0;
    }
    const VisibleRange needed = still_needed(policy(head), tokens);
    if (!covers(out.tables_.at(head), needed.sink)) return std::nullopt;
    // The last token's page, too, even under a window of one token: the next may continue it.
    const int first = std::clamp(tokens - 1, 0, needed.recent.begin);
    if (!covers(out.tables_.at(head), {first, tokens})) return std::nullopt;
  }
  out.forget(tokens);
  return out;
}

SequenceKv SequenceKv::of_tables(PageAllocator& pages, const HeadProfile& profile,
                                 const std::vector<PageTable>& tables, int tokens) {
  SequenceKv out(pages, profile);
  REDKNOT_CHECK(tables.size() == out.reused_.size());
  out.length_ = tokens;
  for (std::size_t head = 0; head < tables.size(); ++head) {
    for (PageRef entry : tables[head]) {
      REDKNOT_CHECK(pages.resident(entry.page));
      entry.frame = pages.frame(entry.page);
      pages.share(entry.page);
      out.change({.kind = PageOp::Kind::kAppend, .head = static_cast<int>(head), .entry = entry});
      out.reused_[head] += entry.reused ? 1 : 0;
    }
  }
  out.forget(tokens);
  return out;
}

}  // namespace redknot
