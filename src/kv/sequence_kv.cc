// SPDX-License-Identifier: Apache-2.0
#include "kv/sequence_kv.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

// Most pages that `tokens` > 0 consecutive tokens touch, wherever they start.
std::int64_t pages_touched(std::int64_t tokens, int page_tokens) {
  return 1 + pages_for(tokens - 1, page_tokens);
}

int saturate(std::int64_t count) {
  return static_cast<int>(std::min<std::int64_t>(count, std::numeric_limits<int>::max()));
}

// Adds up pages by the format of their heads.
class PageSum {
 public:
  void add(KvFormat format, std::int64_t pages) { sums_[index_of(format)] += pages; }
  std::array<int, kKvFormatCount> total() const {
    std::array<int, kKvFormatCount> pages;
    std::transform(sums_.begin(), sums_.end(), pages.begin(), saturate);
    return pages;
  }

 private:
  std::array<std::int64_t, kKvFormatCount> sums_ = {};
};

// Whether queries at a position with this still_needed range, or later, may look into the entry, or
// new tokens may continue it: a page being filled is kept even under a window of one token, so that
// pages stand on the same grid however a prompt was cut.
bool is_needed(const PageRef& entry, const VisibleRange& needed) {
  return entry.position < needed.sink.end || entry.end() >= needed.recent.begin;
}

// True if the table's entries cover every position of the range.
bool covers(const PageTable& table, PositionRange range) {
  for (const PageRef& entry : table) {
    if (entry.position <= range.begin) range.begin = std::max(range.begin, entry.end());
  }
  return range.empty();
}

}  // namespace

SequenceKv::SequenceKv(PagePool& pool, const HeadProfile& profile)
    : pool_(&pool),
      profile_(&profile),
      tables_(profile.policies.size()),
      reused_(profile.policies.size()) {
  REDKNOT_CHECK(profile.policies.size() ==
                static_cast<std::size_t>(profile.layers) * profile.kv_heads);
}

SequenceKv::SequenceKv(SequenceKv&& other) noexcept
    : pool_(other.pool_),
      profile_(other.profile_),
      tables_(std::exchange(other.tables_, {})),
      reused_(std::exchange(other.reused_, {})),
      length_(std::exchange(other.length_, 0)),
      forgotten_(std::exchange(other.forgotten_, 0)),
      page_ended_at_(std::exchange(other.page_ended_at_, -1)) {}

SequenceKv& SequenceKv::operator=(SequenceKv&& other) noexcept {
  SequenceKv taken(std::move(other));
  std::swap(pool_, taken.pool_);
  std::swap(profile_, taken.profile_);
  std::swap(tables_, taken.tables_);
  std::swap(reused_, taken.reused_);
  std::swap(length_, taken.length_);
  std::swap(forgotten_, taken.forgotten_);
  std::swap(page_ended_at_, taken.page_ended_at_);
  return *this;
}

SequenceKv::~SequenceKv() {
  for (const PageTable& table : tables_) {
    for (const PageRef& entry : table) pool_->release(entry.page);
  }
}

std::size_t SequenceKv::index(int layer, int kv_head) const {
  REDKNOT_CHECK(layer >= 0 && layer < profile_->layers);
  REDKNOT_CHECK(kv_head >= 0 && kv_head < profile_->kv_heads);
  return static_cast<std::size_t>(layer) * profile_->kv_heads + kv_head;
}

const PageTable& SequenceKv::table(int layer, int kv_head) const {
  return tables_[index(layer, kv_head)];
}

SequenceKv::Growth SequenceKv::growth(const PageTable& table, int tokens) const {
  const int page_tokens = pool_->shape().page_tokens;
  Growth growth;
  int free_slots = 0;
  const bool ended = page_ended_at_ == length_;
  if (tokens > 0 && !table.empty() && table.back().shift == 0 && !ended) {
    REDKNOT_DCHECK(table.back().end() == length_);
    free_slots = page_tokens - table.back().tokens;
    growth.continues = free_slots > 0;
    growth.copies = growth.continues && pool_->reference_count(table.back().page) > 1;
  }
  const int fresh_tokens = std::max(0, tokens - free_slots);
  growth.pages = static_cast<int>(pages_for(fresh_tokens, page_tokens)) + (growth.copies ? 1 : 0);
  return growth;
}

std::array<int, kKvFormatCount> SequenceKv::pages_to_extend(int tokens) const {
  REDKNOT_CHECK(tokens >= 0);
  PageSum sum;
  for (std::size_t head = 0; head < tables_.size(); ++head) {
    sum.add(profile_->policies[head].kv_format, growth(tables_[head], tokens).pages);
  }
  return sum.total();
}

void SequenceKv::extend_table(std::size_t head, int tokens) {
  PageTable& table = tables_[head];
  const KvFormat format = profile_->policies[head].kv_format;
  const int page_tokens = pool_->shape().page_tokens;
  const Growth plan = growth(table, tokens);
  int position = length_;
  const int end = length_ + tokens;
  if (plan.copies) {
    PageRef& last = table.back();
    const PageId copy = pool_->allocate(format).value();
    std::memcpy(pool_->bytes(copy), pool_->bytes(last.page), pool_->shape().bytes(format));
    pool_->release(std::exchange(last.page, copy));
  }
  if (plan.continues) {
    PageRef& last = table.back();
    reused_[head] -= last.reused ? 1 : 0;
    last.reused = false;
    last.tokens = std::min(page_tokens, end - last.position);
    position = last.end();
  }
  for (; position < end; position += table.back().tokens) {
    table.push_back({.page = pool_->allocate(format).value(),
                     .position = position,
                     .tokens = std::min(page_tokens, end - position)});
  }
}

Status SequenceKv::extend(int tokens) {
  REDKNOT_CHECK(tokens >= 0 && tokens <= std::numeric_limits<int>::max() - length_);
  const std::array<int, kKvFormatCount> wanted = pages_to_extend(tokens);
  for (const KvFormat format : kKvFormats) {
    const int free = pool_->free_pages(format);
    if (wanted[index_of(format)] > free) {
      return exhausted("extend sequence of ", length_, " tokens by ", tokens, ": needs ",
                       wanted[index_of(format)], " ", name(format), " pages, ", free, " are free");
    }
  }
  for (std::size_t head = 0; head < tables_.size(); ++head) {
    extend_table(head, tokens);
  }
  length_ += tokens;
  return Done{};
}

void SequenceKv::forget(int next) {
  REDKNOT_CHECK(next >= 0 && next <= length_);
  forgotten_ = std::max(forgotten_, next);
  for (std::size_t head = 0; head < tables_.size(); ++head) {
    const VisibleRange needed = still_needed(profile_->policies[head], next);
    if (needed.recent.begin == 0) continue;
    std::erase_if(tables_[head], [&](const PageRef& entry) {
      if (is_needed(entry, needed)) return false;
      reused_[head] -= entry.reused ? 1 : 0;
      pool_->release(entry.page);
      return true;
    });
  }
}

SequenceKv SequenceKv::fork(const HeadProfile& profile) const {
  REDKNOT_CHECK(profile.policies.size() == tables_.size());
  for (std::size_t head = 0; head < tables_.size(); ++head) {
    REDKNOT_CHECK(profile.policies[head].kv_format == profile_->policies[head].kv_format);
  }
  SequenceKv copy(*pool_, profile);
  copy.tables_ = tables_;
  copy.reused_ = reused_;
  copy.length_ = length_;
  copy.forgotten_ = forgotten_;
  copy.page_ended_at_ = page_ended_at_;
  for (const PageTable& table : tables_) {
    for (const PageRef& entry : table) pool_->share(entry.page);
  }
  if (&profile != profile_) copy.forget(length_);
  return copy;
}

std::optional<SequenceKv> SequenceKv::prefix(int tokens) const {
  REDKNOT_CHECK(tokens >= 0 && tokens <= length_);
  SequenceKv out(*pool_, *profile_);
  out.length_ = tokens;
  out.forgotten_ = std::min(forgotten_, tokens);
  for (std::size_t head = 0; head < tables_.size(); ++head) {
    for (PageRef entry : tables_[head]) {
      if (entry.position >= tokens) break;
      if (entry.end() > tokens && entry.reused) return std::nullopt;
      entry.tokens = std::min(entry.tokens, tokens - entry.position);
      pool_->share(entry.page);
      out.tables_[head].push_back(entry);
      out.reused_[head] += entry.reused ? 1 : 0;
    }
    const VisibleRange needed = still_needed(profile_->policies[head], tokens);
    if (!covers(out.tables_[head], needed.sink)) return std::nullopt;
    // The last token's page, too, even under a window of one token: the next may continue it.
    const int first = std::clamp(tokens - 1, 0, needed.recent.begin);
    if (!covers(out.tables_[head], {first, tokens})) return std::nullopt;
  }
  out.forget(tokens);
  return out;
}

SequenceKv SequenceKv::of_tables(PagePool& pool, const HeadProfile& profile,
                                 std::vector<PageTable> tables, int tokens) {
  SequenceKv out(pool, profile);
  REDKNOT_CHECK(tables.size() == out.tables_.size());
  out.tables_ = std::move(tables);
  out.length_ = tokens;
  for (std::size_t head = 0; head < out.tables_.size(); ++head) {
    for (const PageRef& entry : out.tables_[head]) {
      pool.share(entry.page);
      out.reused_[head] += entry.reused ? 1 : 0;
    }
  }
  out.forget(tokens);
  return out;
}

void SequenceKv::adopt(int layer, int kv_head, std::span<const PageId> pages, int tokens,
                       int shift) {
  const int page_tokens = pool_->shape().page_tokens;
  const KvFormat format = profile_->at(layer, kv_head).kv_format;
  PageTable& table = tables_[index(layer, kv_head)];
  REDKNOT_CHECK(tokens >= 0 && tokens <= std::numeric_limits<int>::max() - length_);
  REDKNOT_CHECK(static_cast<std::int64_t>(pages.size()) == pages_for(tokens, page_tokens));
  REDKNOT_CHECK(table.empty() || table.back().end() <= length_);
  const int end = length_ + tokens;
  int position = length_;
  for (const PageId page : pages) {
    REDKNOT_CHECK(pool_->format(page) == format);
    pool_->share(page);
    table.push_back({.page = page,
                     .position = position,
                     .tokens = std::min(page_tokens, end - position),
                     .shift = shift,
                     .reused = true});
    position = table.back().end();
  }
  reused_[index(layer, kv_head)] += static_cast<int>(pages.size());
}

Status SequenceKv::recover(int layer, int kv_head, PositionRange positions) {
  PageTable& table = tables_[index(layer, kv_head)];
  const KvFormat format = profile_->at(layer, kv_head).kv_format;
  const auto concerned = [&positions](const PageRef& entry) {
    return entry.reused && !positions.empty() && entry.position < positions.end &&
           entry.end() > positions.begin;
  };
  const auto wanted = std::count_if(table.begin(), table.end(), concerned);
  if (wanted > pool_->free_pages(format)) {
    return exhausted("recover ", positions.end - positions.begin, " tokens: needs ", wanted, " ",
                     name(format), " pages, ", pool_->free_pages(format), " are free");
  }
  for (PageRef& entry : table) {
    if (!concerned(entry)) continue;
    pool_->release(std::exchange(entry.page, pool_->allocate(format).value()));
    entry.shift = 0;
    entry.reused = false;
    --reused_[index(layer, kv_head)];
  }
  return Done{};
}

void SequenceKv::advance(int tokens) {
  REDKNOT_CHECK(tokens >= 0 && tokens <= std::numeric_limits<int>::max() - length_);
  length_ += tokens;
  if (tokens == 0) return;
  for (const PageTable& table : tables_) {
    REDKNOT_CHECK(!table.empty() && table.back().end() == length_);
  }
}

std::array<int, kKvFormatCount> SequenceKv::pages() const {
  PageSum sum;
  for (std::size_t head = 0; head < tables_.size(); ++head) {
    sum.add(profile_->policies[head].kv_format, static_cast<std::int64_t>(tables_[head].size()));
  }
  return sum.total();
}

bool SequenceKv::check() const {
  for (std::size_t head = 0; head < tables_.size(); ++head) {
    const HeadPolicy& policy = profile_->policies[head];
    const VisibleRange needed = still_needed(policy, forgotten_);
    int end = 0;
    for (const PageRef& entry : tables_[head]) {
      if (entry.position < end || entry.tokens < 1) return false;  // (1)
      if (entry.tokens > pool_->shape().page_tokens) return false;
      if (pool_->reference_count(entry.page) < 1) return false;  // (2)
      if (pool_->format(entry.page) != policy.kv_format) return false;
      if (!is_needed(entry, needed)) return false;  // (3)
      end = entry.end();
    }
    if (end > length_) return false;
    const auto reused = std::count_if(tables_[head].begin(), tables_[head].end(),
                                      [](const PageRef& entry) { return entry.reused; });
    if (reused != reused_[head]) return false;
    if (!covers(tables_[head], needed.sink)) return false;  // (3)
    if (!covers(tables_[head], {needed.recent.begin, length_})) return false;
  }
  return true;
}

// Its sink, what the window still held when the last chunk began, and the chunk; or all of the
// sequence, if that is less.
std::int64_t peak_pages_of_head(const HeadPolicy& policy, int page_tokens, int tokens,
                                int chunk_tokens) {
  const std::int64_t all = pages_for(tokens, page_tokens);
  if (tokens == 0 || keeps_everything(policy)) return all;
  const std::int64_t recent = std::int64_t{policy.window_tokens} + chunk_tokens;
  return std::min(all,
                  pages_for(policy.sink_tokens, page_tokens) + pages_touched(recent, page_tokens));
}

std::array<int, kKvFormatCount> peak_pages(const HeadProfile& profile, const PageShape& shape,
                                           int tokens, int chunk_tokens) {
  REDKNOT_CHECK(tokens >= 0 && chunk_tokens >= 1);
  PageSum sum;
  for (const HeadPolicy& policy : profile.policies) {
    sum.add(policy.kv_format, peak_pages_of_head(policy, shape.page_tokens, tokens, chunk_tokens));
  }
  return sum.total();
}

}  // namespace redknot
