// SPDX-License-Identifier: Apache-2.0
#include "kv/sequence_kv.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "kv/page_sum.h"

namespace redknot {
namespace {

// Whether queries at a position with this still_needed range, or later, may look into the entry, or
// new tokens may continue it: a page being filled is kept even under a window of one token, so that
// pages stand on the same grid however a prompt was cut.
bool is_needed(const PageRef& entry, const VisibleRange& needed) {
  return entry.position < needed.sink.end || entry.end() >= needed.recent.begin;
}

// Calls back with every adopted entry that holds a position of the increasing ranges, and whether
// it lies wholly in one of them.
template <typename Function>
void for_each_recovered(const PageTable& table, std::span<const PositionRange> ranges,
                        const Function& function) {
  auto range = ranges.begin();
  for (const PageRef& entry : table) {
    while (range != ranges.end() && range->end <= entry.position) ++range;
    if (range == ranges.end()) return;
    if (!entry.reused || range->begin >= entry.end()) continue;
    function(entry, range->begin <= entry.position && range->end >= entry.end());
  }
}

}  // namespace

SequenceKv::SequenceKv(PageAllocator& pages, const HeadProfile& profile, PageLog log)
    : allocator_(&pages), log_(log), tables_(profile), reused_(profile.policies.size()) {}

SequenceKv::SequenceKv(SequenceKv&& other) noexcept
    : allocator_(other.allocator_), tables_(other.profile()), reused_(other.reused_.size()) {
  swap(other);
}

SequenceKv& SequenceKv::operator=(SequenceKv&& other) noexcept {
  SequenceKv taken(std::move(other));
  swap(taken);
  return *this;
}

SequenceKv::~SequenceKv() {
  for (int head = 0; head < tables_.heads(); ++head) {
    for (const PageRef& entry : tables_.at(head)) allocator_->release(entry.page);
  }
  if (log_.ops == nullptr) return;
  log_.ops->push_back({.kind = PageOp::Kind::kTruncate, .sequence = log_.sequence});
}

void SequenceKv::swap(SequenceKv& other) noexcept {
  std::swap(allocator_, other.allocator_);
  std::swap(log_, other.log_);
  std::swap(tables_, other.tables_);
  std::swap(reused_, other.reused_);
  std::swap(length_, other.length_);
  std::swap(forgotten_, other.forgotten_);
  std::swap(page_ended_at_, other.page_ended_at_);
}

const HeadPolicy& SequenceKv::policy(int head) const {
  return profile().policies[static_cast<std::size_t>(head)];
}

void SequenceKv::change(PageOp op) {
  op.sequence = log_.sequence;
  tables_.apply(op);
  if (log_.ops != nullptr) log_.ops->push_back(op);
}

PageRef SequenceKv::new_entry(KvFormat format, int position, int tokens) {
  const PageId page = allocator_->allocate(format).value();
  return {.page = page, .frame = allocator_->frame(page), .position = position, .tokens = tokens};
}

SequenceKv::Growth SequenceKv::growth(const PageTable& table, int tokens) const {
  const int page_tokens = allocator_->shape().page_tokens;
  Growth growth;
  int free_slots = 0;
  const bool ended = page_ended_at_ == length_;
  if (tokens > 0 && !table.empty() && table.back().shift == 0 && !ended) {
    REDKNOT_DCHECK(table.back().end() == length_);
    free_slots = page_tokens - table.back().tokens;
    growth.continues = free_slots > 0;
    growth.copies = growth.continues && allocator_->reference_count(table.back().page) > 1;
  }
  const int fresh_tokens = std::max(0, tokens - free_slots);
  growth.pages = static_cast<int>(pages_for(fresh_tokens, page_tokens)) + (growth.copies ? 1 : 0);
  if (growth.continues) growth.filled = table.back().tokens + std::min(free_slots, tokens);
  return growth;
}

PageCounts SequenceKv::pages_to_extend(int tokens) const {
  REDKNOT_CHECK(tokens >= 0);
  PageSum sum;
  for (int head = 0; head < tables_.heads(); ++head) {
    sum.add(policy(head).kv_format, growth(tables_.at(head), tokens).pages);
  }
  return sum.total();
}

void SequenceKv::copy_shared(const std::vector<Growth>& growths) {
  for (int head = 0; head < tables_.heads(); ++head) {
    if (!growths[static_cast<std::size_t>(head)].copies) continue;
    const PageRef shared = tables_.at(head).back();
    PageRef copy = new_entry(policy(head).kv_format, shared.position, shared.tokens);
    copy.reused = shared.reused;
    change({.kind = PageOp::Kind::kCopy, .head = head, .entry = copy, .from = shared.frame});
    allocator_->release(shared.page);
  }
}

void SequenceKv::fill_last(const std::vector<Growth>& growths) {
  for (std::size_t head = 0; head < growths.size(); ++head) {
    if (!growths[head].continues) continue;
    reused_[head] -= tables_.at(static_cast<int>(head)).back().reused ? 1 : 0;
  }
  const bool alike = std::all_of(growths.begin(), growths.end(), [&](const Growth& one) {
    return one.continues && one.filled == growths.front().filled;
  });
  if (alike && !growths.empty()) {
    change({.kind = PageOp::Kind::kFill, .entry = {.tokens = growths.front().filled}});
    return;
  }
  for (std::size_t head = 0; head < growths.size(); ++head) {
    if (!growths[head].continues) continue;
    change({.kind = PageOp::Kind::kFill,
            .head = static_cast<int>(head),
            .entry = {.tokens = growths[head].filled}});
  }
}

void SequenceKv::append_new(int tokens) {
  const int end = length_ + tokens;
  for (int head = 0; head < tables_.heads(); ++head) {
    const PageTable& table = tables_.at(head);
    int position = std::max(length_, table.empty() ? 0 : table.back().end());
    for (; position < end; position = table.back().end()) {
      const int held = std::min(page_tokens(), end - position);
      change({.kind = PageOp::Kind::kAppend,
              .head = head,
              .entry = new_entry(policy(head).kv_format, position, held)});
    }
  }
}

Status SequenceKv::extend(int tokens) {
  REDKNOT_CHECK(tokens >= 0 && tokens <= std::numeric_limits<int>::max() - length_);
  const PageCounts wanted = pages_to_extend(tokens);
  for (const KvFormat format : kKvFormats) {
    const int free = allocator_->free_pages(format);
    if (wanted[index_of(format)] > free) {
      return exhausted("extend sequence of ", length_, " tokens by ", tokens, ": needs ",
                       wanted[index_of(format)], " ", name(format), " pages, ", free, " are free");
    }
  }
  std::vector<Growth> growths;
  growths.reserve(reused_.size());
  for (int head = 0; head < tables_.heads(); ++head) {
    growths.push_back(growth(tables_.at(head), tokens));
  }
  copy_shared(growths);
  fill_last(growths);
  append_new(tokens);
  length_ += tokens;
  return Done{};
}

void SequenceKv::forget(int next) {
  REDKNOT_CHECK(next >= 0 && next <= length_);
  forgotten_ = std::max(forgotten_, next);
  for (int head = 0; head < tables_.heads(); ++head) {
    const VisibleRange needed = still_needed(policy(head), next);
    if (needed.recent.begin == 0) continue;
    std::vector<PageRef> gone;
    for (const PageRef& entry : tables_.at(head)) {
      if (!is_needed(entry, needed)) gone.push_back(entry);
    }
    // From behind, so that each moves only what stays.
    for (auto at = gone.rbegin(); at != gone.rend(); ++at) {
      const PageRef& entry = *at;
      reused_[static_cast<std::size_t>(head)] -= entry.reused ? 1 : 0;
      change({.kind = PageOp::Kind::kDrop, .head = head, .entry = entry});
      allocator_->release(entry.page);
    }
  }
}

void SequenceKv::adopt(int layer, int kv_head, std::span<const PageId> pages, int tokens,
                       int shift) {
  const int head = index(layer, kv_head);
  const KvFormat format = policy(head).kv_format;
  const PageTable& table = tables_.at(layer, kv_head);
  REDKNOT_CHECK(tokens >= 0 && tokens <= std::numeric_limits<int>::max() - length_);
  REDKNOT_CHECK(static_cast<std::int64_t>(pages.size()) == pages_for(tokens, page_tokens()));
  REDKNOT_CHECK(table.empty() || table.back().end() <= length_);
  const int end = length_ + tokens;
  int position = length_;
  for (const PageId page : pages) {
    REDKNOT_CHECK(allocator_->format(page) == format);
    REDKNOT_CHECK(allocator_->resident(page));  // no step is planned with a page without a frame
    allocator_->share(page);
    change({.kind = PageOp::Kind::kAppend,
            .head = head,
            .entry = {.page = page,
                      .frame = allocator_->frame(page),
                      .position = position,
                      .tokens = std::min(page_tokens(), end - position),
                      .shift = shift,
                      .reused = true}});
    position = table.back().end();
  }
  reused_[static_cast<std::size_t>(head)] += static_cast<int>(pages.size());
}

int SequenceKv::pages_to_recover(int layer, int kv_head,
                                 std::span<const PositionRange> positions) const {
  int pages = 0;
  for_each_recovered(tables_.at(layer, kv_head), positions,
                     [&pages](const PageRef& /*adopted*/, bool /*wholly*/) { ++pages; });
  return pages;
}

void SequenceKv::take_over(int head, const PageRef& adopted, bool wholly) {
  PageRef own = new_entry(policy(head).kv_format, adopted.position, adopted.tokens);
  if (!wholly) own.shift = adopted.shift;
  change({.kind = wholly ? PageOp::Kind::kReplace : PageOp::Kind::kCopy,
          .head = head,
          .entry = own,
          .from = wholly ? kNoFrame : adopted.frame});
  allocator_->release(adopted.page);
  --reused_[static_cast<std::size_t>(head)];
}

Status SequenceKv::recover(int layer, int kv_head, std::span<const PositionRange> positions) {
  const int head = index(layer, kv_head);
  const KvFormat format = policy(head).kv_format;
  const int wanted = pages_to_recover(layer, kv_head, positions);
  const int free = allocator_->free_pages(format);
  if (wanted > free) {
    return exhausted("recover ", positions.size(), " ranges of tokens: needs ", wanted, " ",
                     name(format), " pages, ", free, " are free");
  }
  std::vector<std::pair<PageRef, bool>> concerned;
  for_each_recovered(tables_.at(layer, kv_head), positions,
                     [&concerned](const PageRef& adopted, bool wholly) {
                       concerned.emplace_back(adopted, wholly);
                     });
  for (const auto& [adopted, wholly] : concerned) take_over(head, adopted, wholly);
  return Done{};
}

void SequenceKv::advance(int tokens) {
  REDKNOT_CHECK(tokens >= 0 && tokens <= std::numeric_limits<int>::max() - length_);
  length_ += tokens;
  if (tokens == 0) return;
  for (int head = 0; head < tables_.heads(); ++head) {
    REDKNOT_CHECK(!tables_.at(head).empty() && tables_.at(head).back().end() == length_);
  }
}

PageCounts SequenceKv::pages() const {
  PageSum sum;
  for (int head = 0; head < tables_.heads(); ++head) {
    sum.add(policy(head).kv_format, static_cast<std::int64_t>(tables_.at(head).size()));
  }
  return sum.total();
}

bool SequenceKv::check() const {
  for (int head = 0; head < tables_.heads(); ++head) {
    const PageTable& table = tables_.at(head);
    const VisibleRange needed = still_needed(policy(head), forgotten_);
    int end = 0;
    for (const PageRef& entry : table) {
      if (entry.position < end || entry.tokens < 1) return false;  // (1)
      if (entry.tokens > page_tokens()) return false;
      if (allocator_->uses(entry.page) < 1) return false;  // (2)
      if (allocator_->frame(entry.page) != entry.frame) return false;
      if (allocator_->format(entry.page) != policy(head).kv_format) return false;
      if (!is_needed(entry, needed)) return false;  // (3)
      end = entry.end();
    }
    if (end > length_) return false;
    const auto reused = std::count_if(table.begin(), table.end(),
                                      [](const PageRef& entry) { return entry.reused; });
    if (reused != reused_[static_cast<std::size_t>(head)]) return false;
    if (!covers(table, needed.sink)) return false;  // (3)
    if (!covers(table, {needed.recent.begin, length_})) return false;
  }
  return true;
}

}  // namespace redknot
