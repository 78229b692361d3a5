// SPDX-License-Identifier: Apache-2.0
#include "kv/segment_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

constexpr std::size_t kMostRemembered = 1 << 14;

// Tokens of context at which attention costs as much as the rest of a layer, about.
constexpr double kAttentionTokens = 4096;

void add(std::array<int, kKvFormatCount>& to, const std::array<int, kKvFormatCount>& pages,
         int sign) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += sign * pages[i];
}

}  // namespace

const Segment* SegmentIndex::find(const SegmentKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second.segment;
}

const Segment& SegmentIndex::insert(const SegmentKey& key, Segment segment, SegmentName name) {
  const auto [at, inserted] =
      entries_.emplace(key, Entry{.segment = std::move(segment), .name = std::move(name)});
  REDKNOT_CHECK(inserted);
  const auto before = remembered_.find(key);
  if (before != remembered_.end()) at->second.uses = before->second;
  add(pages_, at->second.segment.page_count(), 1);
  pages_per_head_ += static_cast<int>(at->second.segment.pages().size());
  at->second.worth = worth(at->second);
  return at->second.segment;
}

// To compute a token costs the same in all segments but for attention, and so do its bytes.
double SegmentIndex::worth(const Entry& entry) const {
  const double cost = 1 + entry.segment.tokens() / kAttentionTokens;
  return entry.uses > 1 ? age_ + entry.uses * cost : cost;
}

void SegmentIndex::pin(const SegmentKey& key, std::uint64_t now) {
  Entry& entry = entries_.at(key);
  ++entry.uses;
  entry.used = now;
  entry.worth = worth(entry);
  pin_again(key);
}

void SegmentIndex::pin_again(const SegmentKey& key) {
  Entry& entry = entries_.at(key);
  if (entry.pins++ == 0) add(pinned_pages_, entry.segment.page_count(), 1);
}

void SegmentIndex::unpin(const SegmentKey& key) {
  Entry& entry = entries_.at(key);
  REDKNOT_CHECK(entry.pins > 0);
  if (--entry.pins == 0) add(pinned_pages_, entry.segment.page_count(), -1);
}

std::optional<SegmentIndex::Candidate> SegmentIndex::least_worth() const {
  const Entries::value_type* least = nullptr;
  for (const auto& entry : entries_) {
    if (entry.second.pins > 0 || entry.second.held) continue;
    if (least == nullptr || entry.second.worth < least->second.worth) least = &entry;
  }
  if (least == nullptr) return std::nullopt;
  return Candidate{least->first, least->second.used};
}

void SegmentIndex::remember(const SegmentKey& key, int uses) {
  if (!remembered_.insert_or_assign(key, uses).second) return;
  dropped_.push_back(key);
  if (dropped_.size() <= kMostRemembered) return;
  remembered_.erase(dropped_.front());
  dropped_.pop_front();
}

void SegmentIndex::drop(const SegmentKey& key) {
  const auto entry = entries_.find(key);
  REDKNOT_CHECK(entry != entries_.end() && entry->second.pins == 0);
  add(pages_, entry->second.segment.page_count(), -1);
  pages_per_head_ -= static_cast<int>(entry->second.segment.pages().size());
  remember(key, entry->second.uses);
  entries_.erase(entry);
}

void SegmentIndex::evict(const SegmentKey& key) {
  age_ = std::max(age_, entries_.at(key).worth);
  ++evictions_;
  drop(key);
}

std::vector<SegmentIndex::Named> SegmentIndex::named(const SegmentName& name) const {
  std::vector<Named> out;
  for (const auto& [key, entry] : entries_) {
    if (entry.name.salt != name.salt) continue;
    if (!name.id.empty() && entry.name.id != name.id) continue;
    out.push_back({key, entry.name, &entry.segment, entry.uses});
  }
  return out;
}

bool SegmentIndex::check() const {
  std::array<int, kKvFormatCount> pages = {}, pinned = {};
  for (const auto& [key, entry] : entries_) {
    add(pages, entry.segment.page_count(), 1);
    if (entry.pins > 0) add(pinned, entry.segment.page_count(), 1);
    if (entry.pins < 0) return false;
  }
  return pages == pages_ && pinned == pinned_pages_;
}

}  // namespace redknot
