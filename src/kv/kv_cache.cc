// SPDX-License-Identifier: Apache-2.0
#include "kv/kv_cache.h"

#include <map>
#include <set>
#include <utility>

#include "base/check.h"

namespace redknot {

KvCache::KvCache(PageAllocator& pool, const HeadProfile& profile, const Domain& domain)
    : pool_(pool),
      segments_(pool.shape(), order_, memory_),
      pins_(pool, segments_),
      prefixes_(pool, profile, domain, order_, memory_) {}

std::optional<SequenceKv> KvCache::find_prefix(const Chain& wanted, int most_tokens) {
  return prefixes_.find(wanted, most_tokens, ++now_);
}

void KvCache::keep_prefix(const Chain& chain, const SequenceKv& kv) {
  prefixes_.insert(chain, kv, ++now_);
}

void KvCache::add_segment(const SegmentKey& key, Segment segment, const SegmentName& name,
                          const Pins::Fits& fits) {
  segments_.insert(key, std::move(segment), name);
  pins_.add_copy(key, fits);
}

void KvCache::acquire(const SegmentKey& key) { segments_.acquire(key, ++now_); }

void KvCache::acquire_again(const SegmentKey& key) { segments_.acquire_again(key); }

void KvCache::release(const SegmentKey& key) {
  segments_.release(key);
  const SegmentTable::Entry& entry = segments_.entry(key);
  if (entry.doomed && entry.users == 0) erase_segment(key);
}

void KvCache::erase_segment(const SegmentKey& key) {
  pins_.drop_copy(key);
  prefixes_.drop_adopters(key);
  segments_.erase(key);
}

std::vector<SegmentUse> KvCache::segment_uses(const std::string& salt) const {
  std::map<std::string, SegmentUse> uses;
  for (const SegmentKey& key : segments_.named({salt, {}})) {
    const SegmentTable::Entry& entry = segments_.entry(key);
    SegmentUse& use = uses[entry.name.id];
    use.id = entry.name.id;
    use.tokens = entry.segment.tokens();
    use.pages = sum(use.pages, entry.segment.page_count());
    ++use.copies;
    use.uses += entry.uses;
    use.pinned_until = pins_.until(entry.name);
  }
  std::vector<SegmentUse> out;
  out.reserve(uses.size());
  for (auto& [id, use] : uses) out.push_back(std::move(use));
  return out;
}

int KvCache::drop_segments(const std::string& salt, const std::string& id) {
  std::set<std::string> ids;
  for (const SegmentKey& key : segments_.named({salt, id})) {
    const SegmentName name = segments_.entry(key).name;
    ids.insert(name.id);
    pins_.unpin(name);
    if (segments_.entry(key).users > 0) {
      segments_.doom(key);
    } else {
      erase_segment(key);
    }
  }
  return static_cast<int>(ids.size());
}

// As a prefix goes from its end, so a segment goes after what stands on it.
void KvCache::evict(const EvictionOrder::Rank& rank) {
  if (rank.kind == EvictionOrder::Kind::kPrefix) {
    prefixes_.evict(rank);
  } else if (!prefixes_.evict_adopter(rank.key)) {
    segments_.evict(rank.key);
  }
}

// Prefixes whose pages running sequences hold too would free nothing, so they are passed over while
// there is anything else. Without them, the sequences' own pages need no copies.
void KvCache::evict_until(const std::function<PageCounts()>& wanted) {
  bool takes_all = false;
  while (!covers(pool_.free_pages(), wanted())) {
    const std::optional<EvictionOrder::Rank> next = order_.next();
    if (!next) {
      if (takes_all || !prefixes_.take_back()) break;
      takes_all = true;
      continue;
    }
    const bool is_prefix = next->kind == EvictionOrder::Kind::kPrefix;
    if (is_prefix && !takes_all && prefixes_.set_aside(next->key)) continue;
    evict(*next);
  }
  prefixes_.take_back();
}

bool KvCache::check() const {
  std::size_t bytes = pool_.shape().bytes(segments_.pages());
  for (const PageId page : prefixes_.own_pages()) bytes += pool_.shape().bytes(pool_.format(page));
  return bytes == order_.kept_bytes() && order_.check() && segments_.check() && pins_.check() &&
         prefixes_.check();
}

}  // namespace redknot
