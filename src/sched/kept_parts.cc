// SPDX-License-Identifier: Apache-2.0
// What is kept for reuse: prefixes and segments, who uses them, and who goes when room is wanted.
#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "sched/scheduler.h"

namespace redknot {

bool Scheduler::is_being_built(const SegmentKey& key) const {
  return std::any_of(running_.begin(), running_.end(),
                     [&key](const Sequence& sequence) { return sequence.builds == key; });
}

// Pins those of its segments that are here. A prompt uses a segment once, however many share it.
void Scheduler::pin_parts(Sequence& sequence) {
  const bool counts = sequence.keeps_shared_prompt || !sequence.group;
  std::set<SegmentKey> keys;
  for (const SequencePart& part : sequence.parts()) {
    if (!part.segment || !keys.insert(*part.segment).second) continue;
    if (segments_.find(*part.segment) == nullptr) continue;
    if (counts) {
      segments_.pin(*part.segment, now_);
    } else {
      segments_.pin_again(*part.segment);
    }
    sequence.pinned.push_back(*part.segment);
  }
}

void Scheduler::unpin_parts(const Sequence& sequence) {
  for (const SegmentKey& key : sequence.pinned) {
    segments_.unpin(key);
    if (segments_.is_doomed(key) && !segments_.is_pinned(key)) forget_segment(key);
  }
}

// What was used longest ago goes first: a prefix, or the segment that is least worth its room. A
// prefix never outlives a segment that it adopted, so that pages of segments in use are those that
// are counted.
void Scheduler::make_room(const std::function<PageCounts()>& wanted) {
  const auto is_free = [&] {
    const PageCounts pages = wanted();
    return std::all_of(kKvFormats.begin(), kKvFormats.end(), [&](KvFormat format) {
      return pool_.free_pages(format) >= pages[index_of(format)];
    });
  };
  while (!is_free()) {
    const std::optional<std::uint64_t> prefix = prefixes_.oldest_use();
    const std::optional<SegmentIndex::Candidate> segment = segments_.least_worth();
    if (prefix && (!segment || *prefix <= segment->used)) {
      prefixes_.drop_oldest();
    } else if (segment) {
      prefixes_.drop_holding(segment->key);
      segments_.evict(segment->key);
    } else {
      return;
    }
  }
}

void Scheduler::forget_segment(const SegmentKey& key) {
  prefixes_.drop_holding(key);
  segments_.drop(key);
}

// Keeps what the sequence holds for later ones, if all of it is computed.
void Scheduler::leave_prefix(const Sequence& sequence) {
  if (!sequence.uses_prefixes() || !sequence.is_prefix()) return;
  prefixes_.insert({sequence.tokens(), sequence.parts(), sequence.recovery(), sequence.salt()},
                   sequence.kv(), now_);
}

// Its segment is here from now on, for all that wait for it.
void Scheduler::finish_build(Sequence& build) {
  const SegmentKey key = *build.builds;
  const auto context_tokens = static_cast<std::size_t>(build.context_tokens());
  const SegmentName name{build.salt(), segment_id(build.tokens().subspan(context_tokens))};
  segments_.insert(key, Segment(pool_, build.kv(), {build.context_tokens(), build.prompt_length()}),
                   name);
  if (const auto pin = pins_.find(name); pin != pins_.end()) pin_segments(name, pin->second);
  for (Sequence& sequence : running_) {
    const std::span<const SequencePart> parts = sequence.parts();
    const bool needs = std::any_of(parts.begin(), parts.end(), [&key](const SequencePart& part) {
      return part.segment == key;
    });
    if (!needs) continue;
    if (sequence.keeps_shared_prompt || !sequence.group) {
      segments_.pin(key, now_);
    } else {
      segments_.pin_again(key);
    }
    sequence.pinned.push_back(key);
  }
  if (Sequence* asked = find(*build.builds_for)) asked->add_flops(build.counts().flops);
  const auto is_it = [&build](const Sequence& sequence) { return &sequence == &build; };
  drop(std::find_if(running_.begin(), running_.end(), is_it));
}

std::vector<SegmentUse> Scheduler::segment_uses(const std::string& salt) const {
  std::map<std::string, SegmentUse> uses;
  for (const SegmentIndex::Named& one : segments_.named({salt, {}})) {
    SegmentUse& use = uses[one.name.id];
    use.id = one.name.id;
    use.tokens = one.segment->tokens();
    use.pages = sum(use.pages, one.segment->page_count());
    ++use.copies;
    use.uses += one.uses;
    if (const auto pin = pins_.find(one.name); pin != pins_.end()) use.pinned_until = pin->second;
  }
  std::vector<SegmentUse> out;
  out.reserve(uses.size());
  for (auto& [id, use] : uses) out.push_back(std::move(use));
  return out;
}

int Scheduler::drop_segments(const std::string& salt, const std::string& id) {
  std::set<std::string> ids;
  for (const SegmentIndex::Named& one : segments_.named({salt, id})) {
    ids.insert(one.name.id);
    unpin_segments(one.name);
    if (segments_.is_pinned(one.key)) {
      segments_.doom(one.key);
    } else {
      forget_segment(one.key);
    }
  }
  return static_cast<int>(ids.size());
}

PageCounts Scheduler::held_pages() const {
  PageCounts pages{};
  for (const auto& [name, until] : pins_) {
    for (const SegmentIndex::Named& one : segments_.named(name)) {
      if (segments_.is_held(one.key)) pages = sum(pages, one.segment->page_count());
    }
  }
  return pages;
}

bool Scheduler::pin_segments(const SegmentName& name, Time until) {
  const std::vector<SegmentIndex::Named> named = segments_.named(name);
  if (named.empty()) return false;
  std::vector<SegmentKey> added;
  for (const SegmentIndex::Named& one : named) {
    if (segments_.is_held(one.key)) continue;
    segments_.hold(one.key);
    added.push_back(one.key);
  }
  const bool was_pinned = pins_.contains(name);
  const Time before = std::exchange(pins_[name], until);
  // What runs has its reservations, which pins must leave alone.
  const PageCounts held = held_pages(), all = demand(nullptr, {});
  const bool fits = std::all_of(kKvFormats.begin(), kKvFormats.end(), [&](KvFormat format) {
    const int total = pool_.total_pages(format);
    return held[index_of(format)] <= total / 2 && all[index_of(format)] <= total;
  });
  if (fits) return true;
  for (const SegmentKey& key : added) segments_.let_go(key);
  pins_[name] = before;
  if (!was_pinned) pins_.erase(name);
  return false;
}

void Scheduler::unpin_segments(const SegmentName& name) {
  for (const SegmentIndex::Named& one : segments_.named(name)) segments_.let_go(one.key);
  pins_.erase(name);
}

void Scheduler::end_pins(Time now) {
  for (auto pin = pins_.begin(); pin != pins_.end();) {
    const auto ended = pin++;
    if (ended->second <= now) unpin_segments(SegmentName(ended->first));
  }
}

std::optional<Scheduler::Time> Scheduler::next_pin_end() const {
  std::optional<Time> next;
  for (const auto& [name, until] : pins_) next = std::min(next.value_or(until), until);
  return next;
}

}  // namespace redknot
