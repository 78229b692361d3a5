// SPDX-License-Identifier: Apache-2.0
#include "kv/pins.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace redknot {

Pins::Pins(const PageAllocator& pool, SegmentTable& segments) : pool_(pool), segments_(segments) {}

void Pins::hold(const SegmentKey& key) {
  const SegmentTable::Entry& entry = segments_.entry(key);
  const PageCounts pages = entry.segment.page_count();
  held_.emplace(key, entry.segment.tokens());
  bytes_[entry.name.salt] += pool_.shape().bytes(pages);
  pages_ = sum(pages_, pages);
  segments_.pin(key);
}

void Pins::drop_copy(const SegmentKey& key) {
  if (held_.erase(key) == 0) return;
  const SegmentTable::Entry& entry = segments_.entry(key);
  const PageCounts pages = entry.segment.page_count();
  const auto bytes = bytes_.find(entry.name.salt);
  bytes->second -= pool_.shape().bytes(pages);
  if (bytes->second == 0) bytes_.erase(bytes);
  for (std::size_t i = 0; i < pages.size(); ++i) pages_[i] -= pages[i];
  segments_.unpin(key);
}

std::size_t Pins::bytes(std::string_view salt) const {
  const auto at = bytes_.find(salt);
  return at == bytes_.end() ? 0 : at->second;
}

bool Pins::is_within_limits(const std::string& salt, std::size_t quota_bytes,
                            const Fits& fits) const {
  if (quota_bytes > 0 && bytes(salt) > quota_bytes) return false;
  const bool is_half = std::all_of(kKvFormats.begin(), kKvFormats.end(), [this](KvFormat format) {
    return pages_[index_of(format)] <= pool_.total_pages(format) / 2;
  });
  return is_half && fits();
}

bool Pins::pin(const SegmentName& name, const Terms& terms, const Fits& fits) {
  const std::vector<SegmentKey> copies = segments_.named(name);
  if (copies.empty()) return false;
  std::vector<SegmentKey> added;
  for (const SegmentKey& key : copies) {
    if (held_.contains(key)) continue;
    hold(key);
    added.push_back(key);
  }
  if (is_within_limits(name.salt, terms.quota_bytes, fits)) {
    pins_[name] = terms;
    return true;
  }
  for (const SegmentKey& key : added) drop_copy(key);
  return false;
}

void Pins::add_copy(const SegmentKey& key, const Fits& fits) {
  const SegmentName& name = segments_.entry(key).name;
  const auto pin = pins_.find(name);
  if (pin == pins_.end()) return;
  hold(key);
  if (!is_within_limits(name.salt, pin->second.quota_bytes, fits)) drop_copy(key);
}

void Pins::unpin(const SegmentName& name) {
  if (pins_.erase(name) == 0) return;
  for (const SegmentKey& key : segments_.named(name)) drop_copy(key);
}

bool Pins::unpin_one() {
  if (pins_.empty()) return false;
  unpin(SegmentName(pins_.begin()->first));
  return true;
}

void Pins::end(Time now) {
  for (auto pin = pins_.begin(); pin != pins_.end();) {
    const auto ended = pin++;
    if (ended->second.until <= now) unpin(SegmentName(ended->first));
  }
}

std::optional<Pins::Time> Pins::next_end() const {
  std::optional<Time> next;
  for (const auto& [name, terms] : pins_) next = std::min(next.value_or(terms.until), terms.until);
  return next;
}

std::optional<Pins::Time> Pins::until(const SegmentName& name) const {
  const auto pin = pins_.find(name);
  if (pin == pins_.end()) return std::nullopt;
  return pin->second.until;
}

bool Pins::check() const {
  PageCounts pages{};
  std::map<std::string, std::size_t, std::less<>> bytes;
  for (const auto& [key, tokens] : held_) {
    const SegmentTable::Entry& entry = segments_.entry(key);
    if (!entry.pinned || !pins_.contains(entry.name)) return false;
    pages = sum(pages, entry.segment.page_count());
    bytes[entry.name.salt] += pool_.shape().bytes(entry.segment.page_count());
  }
  for (const KvFormat format : kKvFormats) {
    if (pages[index_of(format)] > pool_.total_pages(format) / 2) return false;
  }
  return pages == pages_ && bytes == bytes_;
}

}  // namespace redknot
