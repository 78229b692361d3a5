// SPDX-License-Identifier: Apache-2.0
#include "kv/segment_table.h"

#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

void add(PageCounts& to, const PageCounts& pages, int sign) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += sign * pages[i];
}

}  // namespace

SegmentTable::SegmentTable(const PageShape& shape, EvictionOrder& order, UseMemory& memory)
    : shape_(shape), order_(order), memory_(memory) {}

SegmentTable::~SegmentTable() {
  for (auto& [key, entry] : entries_) {
    if (entry.rank) order_.leave(entry.name.salt, *entry.rank);
    order_.discharge(entry.name.salt, shape_.bytes(entry.segment.page_count()));
  }
}

const Segment* SegmentTable::find(const SegmentKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second.segment;
}

const Segment& SegmentTable::insert(const SegmentKey& key, Segment segment, SegmentName name) {
  const auto [at, inserted] =
      entries_.emplace(key, Entry{.segment = std::move(segment), .name = std::move(name)});
  REDKNOT_CHECK(inserted);
  Entry& entry = at->second;
  const PageCounts pages = entry.segment.page_count();
  entry.uses = memory_.uses(key);
  names_[entry.name].insert(key);
  order_.charge(entry.name.salt, shape_.bytes(pages));
  add(pages_, pages, 1);
  pages_per_head_ += static_cast<int>(entry.segment.pages().size());
  place(key, entry);
  return entry.segment;
}

std::vector<SegmentKey> SegmentTable::named(const SegmentName& name) const {
  std::vector<SegmentKey> out;
  for (auto at = names_.lower_bound(name); at != names_.end(); ++at) {
    if (at->first.salt != name.salt) break;
    if (!name.id.empty() && at->first.id != name.id) break;
    out.insert(out.end(), at->second.begin(), at->second.end());
  }
  return out;
}

void SegmentTable::place(const SegmentKey& key, Entry& entry) {
  if (entry.rank) order_.leave(entry.name.salt, *std::exchange(entry.rank, std::nullopt));
  if (entry.users > 0 || entry.pinned) return;
  entry.rank = EvictionOrder::Rank{.worth = order_.worth(entry.segment.tokens(), entry.uses),
                                   .used = entry.used,
                                   .kind = EvictionOrder::Kind::kSegment,
                                   .key = key};
  order_.enter(entry.name.salt, *entry.rank);
}

void SegmentTable::acquire(const SegmentKey& key, std::uint64_t now) {
  Entry& entry = entries_.at(key);
  ++entry.uses;
  entry.used = now;
  acquire_again(key);
}

void SegmentTable::acquire_again(const SegmentKey& key) {
  Entry& entry = entries_.at(key);
  if (entry.users++ == 0) add(used_pages_, entry.segment.page_count(), 1);
  place(key, entry);
}

void SegmentTable::release(const SegmentKey& key) {
  Entry& entry = entries_.at(key);
  REDKNOT_CHECK(entry.users > 0);
  if (--entry.users == 0) add(used_pages_, entry.segment.page_count(), -1);
  place(key, entry);
}

void SegmentTable::pin(const SegmentKey& key) {
  Entry& entry = entries_.at(key);
  entry.pinned = true;
  place(key, entry);
}

void SegmentTable::unpin(const SegmentKey& key) {
  Entry& entry = entries_.at(key);
  entry.pinned = false;
  place(key, entry);
}

void SegmentTable::erase(const SegmentKey& key) {
  const auto at = entries_.find(key);
  REDKNOT_CHECK(at != entries_.end() && at->second.users == 0 && !at->second.pinned);
  Entry& entry = at->second;
  const PageCounts pages = entry.segment.page_count();
  order_.leave(entry.name.salt, *entry.rank);
  order_.discharge(entry.name.salt, shape_.bytes(pages));
  memory_.remember(key, entry.uses);
  add(pages_, pages, -1);
  pages_per_head_ -= static_cast<int>(entry.segment.pages().size());
  const auto keys = names_.find(entry.name);
  keys->second.erase(key);
  if (keys->second.empty()) names_.erase(keys);
  entries_.erase(at);
}

void SegmentTable::evict(const SegmentKey& key) {
  order_.evicted(*entries_.at(key).rank);
  ++evictions_;
  erase(key);
}

bool SegmentTable::check() const {
  PageCounts pages{}, used{};
  std::size_t named = 0;
  for (const auto& [key, entry] : entries_) {
    add(pages, entry.segment.page_count(), 1);
    if (entry.users > 0) add(used, entry.segment.page_count(), 1);
    if (entry.users < 0) return false;
    if (entry.rank.has_value() != (entry.users == 0 && !entry.pinned)) return false;  // (1)
    if (!names_.at(entry.name).contains(key)) return false;
  }
  for (const auto& [name, keys] : names_) named += keys.size();
  return pages == pages_ && used == used_pages_ && named == entries_.size();  // (3)
}

}  // namespace redknot
