// SPDX-License-Identifier: Apache-2.0
// Who may run: what a sequence needs before it is admitted, and who gives way.
#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "sched/page_needs.h"
#include "sched/scheduler.h"

namespace redknot {

std::vector<SequenceId> Scheduler::submit(std::shared_ptr<const SequenceRequest> request,
                                          int count) {
  REDKNOT_CHECK(count >= 1);
  std::vector<SequenceId> ids;
  for (int i = 0; i < count; ++i) {
    const SequenceId id = ids.emplace_back(SequenceId{next_id_++});
    Sequence sequence(id, request);
    if (request->shares_prompt) sequence.group = ids.front();
    queue(std::move(sequence));
  }
  return ids;
}

void Scheduler::queue(Sequence sequence) {
  const auto goes_before = [](const Sequence& a, const Sequence& b) {
    return a.priority() != b.priority() ? a.priority() > b.priority() : a.id() < b.id();
  };
  const auto at = std::upper_bound(waiting_.begin(), waiting_.end(), sequence, goes_before);
  waiting_.insert(at, std::move(sequence));
}

void Scheduler::cancel(SequenceId id) {
  const auto has_id = [id](const Sequence& sequence) { return sequence.id() == id; };
  std::erase_if(waiting_, has_id);
  const auto running = std::find_if(running_.begin(), running_.end(), has_id);
  if (running != running_.end()) drop(running);
  drop_unneeded();
}

// Drops builds of segments that no sequence is composed of, shared prompts that nobody answers any
// more, and then builds that only these needed.
void Scheduler::drop_unneeded() {
  const auto is_needed = [this](const Sequence& inner) {
    return std::any_of(running_.begin(), running_.end(), [&inner](const Sequence& sequence) {
      if (inner.keeps_shared_prompt) {
        return !sequence.keeps_shared_prompt && sequence.group == inner.group;
      }
      const std::span<const SequencePart> parts = sequence.parts();
      return std::any_of(parts.begin(), parts.end(), [&inner](const SequencePart& part) {
        return part.segment == inner.builds;
      });
    });
  };
  for (;;) {
    const auto unneeded = std::find_if(
        running_.begin(), running_.end(),
        [&](const Sequence& sequence) { return sequence.is_inner() && !is_needed(sequence); });
    if (unneeded == running_.end()) return;
    drop(unneeded);
  }
}

// Takes one out of those that run; its pages may stay as a prefix.
Sequence Scheduler::take(Running running) {
  leave_prefix(*running);
  Sequence sequence = std::move(*running);
  running_.erase(running);
  release_parts(sequence);
  return sequence;
}

void Scheduler::drop(Running running) { take(running); }

// Pages that must exist if `next`, unless it is null, runs beside all that run but those left out:
// reservations, the segments that they are composed of, at hand or not, and those that are held.
// All else goes when its room is wanted.
PageCounts Scheduler::demand(const Sequence* next, std::span<const SequenceId> without) const {
  PageCounts pages = next == nullptr ? PageCounts{} : next->request().needs;
  std::map<SegmentKey, int> keys;  // tokens of those segments
  std::set<SequenceId> groups;
  const auto add_parts = [&](const Sequence& sequence) {
    for (const SequencePart& part : sequence.parts()) {
      if (part.segment) keys.emplace(*part.segment, part.tokens());
    }
    if (sequence.group) groups.insert(*sequence.group);
  };
  if (next != nullptr) add_parts(*next);
  for (const Sequence& sequence : running_) {
    const bool left_out = std::find(without.begin(), without.end(), sequence.id()) != without.end();
    if (sequence.is_inner() || left_out) continue;
    add_parts(sequence);
    pages = sum(pages, sequence.reserved);
  }
  for (const Sequence& inner : running_) {
    const bool is_needed = inner.keeps_shared_prompt
                               ? groups.erase(*inner.group) > 0
                               : inner.builds && keys.erase(*inner.builds) > 0;
    if (is_needed) pages = sum(pages, inner.reserved);
  }
  // All other groups have a sequence that keeps their prompt.
  if (!groups.empty()) pages = sum(pages, next->request().shared_prompt_needs);
  keys.insert(cache_.pins().held().begin(), cache_.pins().held().end());
  for (const auto& [key, tokens] : keys) {
    pages = sum(pages, segment_pages(profile_, pool_.shape(), tokens));
  }
  return pages;
}

bool Scheduler::fits(const Sequence& next, std::span<const SequenceId> without) const {
  if (submitted() - static_cast<int>(without.size()) >= options_.max_sequences) return false;
  const PageCounts pages = demand(&next, without);
  return std::all_of(kKvFormats.begin(), kKvFormats.end(), [&](KvFormat format) {
    return pages[index_of(format)] <= pool_.total_pages(format);
  });
}

// Of those with its salt, what they and it would hold of their own.
bool Scheduler::is_over_quota(const Sequence& next) const {
  if (next.quota_bytes() == 0) return false;
  PageCounts pages = next.request().needs;
  bool has_shared_prompt = !next.group;
  bool is_alone = true;
  for (const Sequence& sequence : running_) {
    if (sequence.builds || sequence.salt() != next.salt()) continue;
    pages = sum(pages, sequence.reserved);
    has_shared_prompt = has_shared_prompt || sequence.group == next.group;
    is_alone = false;
  }
  if (!has_shared_prompt) pages = sum(pages, next.request().shared_prompt_needs);
  return !is_alone && pool_.shape().bytes(pages) > next.quota_bytes();
}

// True if it fits, perhaps because others of less priority gave way, those of the least and the
// youngest of them first. None does if all of them would not be enough.
bool Scheduler::make_way_for(const Sequence& next) {
  if (fits(next, {})) return true;
  if (submitted() == 0) {
    while (!fits(next, {})) {
      if (!cache_.pins().unpin_one()) return false;
    }
    return true;
  }
  std::vector<const Sequence*> less;
  for (const Sequence& sequence : running_) {
    if (!sequence.is_inner() && sequence.priority() < next.priority()) less.push_back(&sequence);
  }
  std::sort(less.begin(), less.end(), [](const Sequence* a, const Sequence* b) {
    return a->priority() != b->priority() ? a->priority() < b->priority() : a->id() > b->id();
  });
  std::vector<SequenceId> victims;
  for (const Sequence* sequence : less) {
    victims.push_back(sequence->id());
    if (!fits(next, victims)) continue;
    preempt(victims);
    return true;
  }
  return false;
}

void Scheduler::preempt(std::span<const SequenceId> victims) {
  for (const SequenceId id : victims) {
    const auto has_id = [id](const Sequence& sequence) { return sequence.id() == id; };
    Sequence sequence = take(std::find_if(running_.begin(), running_.end(), has_id));
    sequence.restart();
    queue(std::move(sequence));
    ++counts_.preemptions;
  }
  drop_unneeded();
}

// One that there is no room for holds up all that come behind it, so that it gets its turn; one
// whose quota is used up only those of its salt.
void Scheduler::admit() {
  std::set<std::string> full;
  for (std::size_t next = 0; next < waiting_.size();) {
    const std::string salt = waiting_[next].salt();
    if (full.contains(salt) || is_over_quota(waiting_[next])) {
      full.insert(salt);
      ++next;
      continue;
    }
    // Those that give way wait behind it.
    if (!make_way_for(waiting_[next])) return;
    Sequence sequence = std::move(waiting_[next]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(next));
    start(std::move(sequence));
  }
}

// Runs a sequence, and builds of those segments that are neither here nor on their way.
void Scheduler::start(Sequence next) {
  const bool is_first = !next.has_run && (!next.group || shared_prompt_of(next) == nullptr);
  std::set<SegmentKey> keys;
  for (const SequencePart& part : next.parts()) {
    if (!part.segment || !keys.insert(*part.segment).second) continue;
    const bool is_here = segments().find(*part.segment) != nullptr || is_being_built(*part.segment);
    if (is_first) ++(is_here ? counts_.segment_hits : counts_.segment_misses);
    if (is_here) continue;
    start_build(next, part);
    next.add_built(part.tokens());
  }
  if (next.group && shared_prompt_of(next) == nullptr) start_shared_prompt(next);
  next.reserved = next.request().needs;
  admitted_.push_back(next.id());
  run(std::move(next));
}

void Scheduler::run(Sequence sequence) {
  acquire_parts(sequence);
  sequence.start(pool_, profile_, {&page_ops_, sequence.id()});
  running_.push_back(std::move(sequence));
}

// A sequence that computes a part behind its canonical context, which it adopts. Nothing of it is
// forgotten.
void Scheduler::start_build(const Sequence& sequence, const SequencePart& part) {
  const bool is_context = part.positions.begin < sequence.context_tokens();
  const int context_tokens = is_context ? 0 : sequence.context_tokens();
  SequenceSpec spec{.salt = sequence.salt(), .priority = sequence.priority()};
  const auto tokens = sequence.tokens().begin();
  spec.prompt.tokens.assign(tokens, tokens + context_tokens);
  spec.prompt.tokens.insert(spec.prompt.tokens.end(), tokens + part.positions.begin,
                            tokens + part.positions.end);
  spec.prompt.context_tokens = context_tokens;
  std::vector<SequencePart> parts;
  if (context_tokens > 0) parts.push_back(sequence.parts().front());
  parts.push_back({.positions = {context_tokens, context_tokens + part.tokens()}});
  SequenceRequest request{.spec = std::move(spec), .parts = std::move(parts)};
  Sequence build(SequenceId{next_id_++},
                 std::make_shared<const SequenceRequest>(std::move(request)));
  build.builds = part.segment;
  build.builds_for = sequence.id();
  build.reserved = segment_pages(profile_, pool_.shape(), part.tokens());
  run(std::move(build));
}

// A sequence of the prompt alone, as each answer would compute it.
void Scheduler::start_shared_prompt(const Sequence& answer) {
  const SequenceSpec& spec = answer.request().spec;
  SequenceRequest request{.spec = {.prompt = spec.prompt,
                                   .recovery = spec.recovery,
                                   .salt = spec.salt,
                                   .uses_prefixes = spec.uses_prefixes,
                                   .priority = spec.priority},
                          .parts = answer.request().parts};
  Sequence shared(SequenceId{next_id_++},
                  std::make_shared<const SequenceRequest>(std::move(request)));
  shared.group = answer.group;
  shared.keeps_shared_prompt = true;
  shared.has_run = answer.has_run;
  shared.builds_for = answer.id();
  shared.reserved = answer.request().shared_prompt_needs;
  run(std::move(shared));
}

int Scheduler::submitted() const {
  return static_cast<int>(std::count_if(running_.begin(), running_.end(),
                                        [](const Sequence& one) { return !one.is_inner(); }));
}

}  // namespace redknot
