// SPDX-License-Identifier: Apache-2.0
// What the scheduler has of the KV cache: which segments its sequences use, what they leave, and
// what callers pin.
#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "sched/composition.h"
#include "sched/scheduler.h"

namespace redknot {

bool Scheduler::is_being_built(const SegmentKey& key) const {
  return std::any_of(running_.begin(), running_.end(),
                     [&key](const Sequence& sequence) { return sequence.builds == key; });
}

// A prompt uses a segment once, however many share it.
void Scheduler::acquire(Sequence& sequence, const SegmentKey& key) {
  if (sequence.keeps_shared_prompt || !sequence.group) {
    cache_.acquire(key);
  } else {
    cache_.acquire_again(key);
  }
  sequence.pinned.push_back(key);
}

// Keeps those of its segments that are here.
void Scheduler::acquire_parts(Sequence& sequence) {
  std::set<SegmentKey> keys;
  for (const SequencePart& part : sequence.parts()) {
    if (!part.segment || !keys.insert(*part.segment).second) continue;
    if (segments().find(*part.segment) != nullptr) acquire(sequence, *part.segment);
  }
}

void Scheduler::release_parts(const Sequence& sequence) {
  for (const SegmentKey& key : sequence.pinned) cache_.release(key);
}

// Keeps what the sequence holds for later ones, if all of it is computed.
void Scheduler::leave_prefix(const Sequence& sequence) {
  if (!sequence.uses_prefixes() || !sequence.is_prefix()) return;
  const auto length = static_cast<std::size_t>(sequence.kv().length());
  cache_.keep_prefix(chain_of({sequence.tokens().first(length), sequence.parts(),
                               sequence.recovery(), sequence.salt()},
                              pool_.shape().page_tokens),
                     sequence.kv());
}

// Its segment is here from now on, for all that wait for it.
void Scheduler::finish_build(Sequence& build) {
  const SegmentKey key = *build.builds;
  const auto context_tokens = static_cast<std::size_t>(build.context_tokens());
  const SegmentName name{build.salt(), segment_id(build.tokens().subspan(context_tokens))};
  cache_.add_segment(key,
                     Segment(pool_, build.kv(), {build.context_tokens(), build.prompt_length()}),
                     name, [this] { return pins_fit(); });
  for (Sequence& sequence : running_) {
    const std::span<const SequencePart> parts = sequence.parts();
    const bool needs = std::any_of(parts.begin(), parts.end(), [&key](const SequencePart& part) {
      return part.segment == key;
    });
    if (needs) acquire(sequence, key);
  }
  if (Sequence* asked = find(*build.builds_for)) asked->add_flops(build.counts().flops);
  const auto is_it = [&build](const Sequence& sequence) { return &sequence == &build; };
  drop(std::find_if(running_.begin(), running_.end(), is_it));
}

std::vector<SegmentUse> Scheduler::segment_uses(const std::string& salt) const {
  return cache_.segment_uses(salt);
}

int Scheduler::drop_segments(const std::string& salt, const std::string& id) {
  return cache_.drop_segments(salt, id);
}

// What runs has its reservations, which pins must leave alone.
bool Scheduler::pins_fit() const {
  const PageCounts all = demand(nullptr, {});
  return std::all_of(kKvFormats.begin(), kKvFormats.end(), [&](KvFormat format) {
    return all[index_of(format)] <= pool_.total_pages(format);
  });
}

bool Scheduler::pin_segments(const SegmentName& name, Time until, std::size_t quota_bytes) {
  return cache_.pins().pin(name, {until, quota_bytes}, [this] { return pins_fit(); });
}

void Scheduler::unpin_segments(const SegmentName& name) { cache_.pins().unpin(name); }

void Scheduler::end_pins(Time now) { cache_.pins().end(now); }

std::optional<Scheduler::Time> Scheduler::next_pin_end() const { return cache_.pins().next_end(); }

}  // namespace redknot
