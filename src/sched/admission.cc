// SPDX-License-Identifier: Apache-2.0
// Who may run: what a sequence needs before it is admitted, and who gives way.
#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "sched/scheduler.h"

namespace redknot {
namespace {

bool shares(const SequenceSpec& spec) {
  return spec.shares_prompt && !spec.all_logits && spec.prompt.tokens.size() > 1;
}

// Own pages, from the beginning to the end: of the sequence, and of the trunk that it may need.
struct Needs {
  PageCounts sequence{}, trunk{};
};

Needs needs_of(const PagePool& pool, const HeadProfile& profile, const SequenceSpec& spec,
               std::span<const SequencePart> parts, int chunk_tokens) {
  const PageShape& shape = pool.shape();
  if (!shares(spec)) {
    return {own_pages(profile, shape, parts, spec.max_tokens, chunk_tokens, spec.recovery), {}};
  }
  return {branch_pages(profile, shape, parts, spec.max_tokens, chunk_tokens),
          own_pages(profile, shape, parts, 0, chunk_tokens, spec.recovery)};
}

}  // namespace

Status fits_alone(const PagePool& pool, const HeadProfile& profile, const SequenceSpec& spec,
                  std::span<const SequencePart> parts, int chunk_tokens) {
  const Needs needs = needs_of(pool, profile, spec, parts, chunk_tokens);
  PageCounts needed = sum(needs.sequence, needs.trunk);
  const std::size_t own_bytes = pool.shape().bytes(needed);
  std::set<SegmentKey> counted;
  for (const SequencePart& part : parts) {
    if (!part.segment || !counted.insert(*part.segment).second) continue;
    needed = sum(needed, segment_pages(profile, pool.shape(), part.tokens()));
  }
  const int page_tokens = pool.shape().page_tokens;
  const bool elastic = spec.recovery.policy == Recovery::Policy::kElastic && !counted.empty();
  if (elastic && chunk_tokens < page_tokens) {
    return invalid("elastic recovery computes whole pages of ", page_tokens,
                   " tokens; a step holds ", chunk_tokens, " (max_step_tokens)");
  }
  const std::size_t tokens = spec.prompt.tokens.size() + static_cast<std::size_t>(spec.max_tokens);
  for (const KvFormat format : kKvFormats) {
    if (needed[index_of(format)] > pool.total_pages(format)) {
      return exhausted("a sequence of ", tokens, " tokens needs ", needed[index_of(format)],
                       " KV pages, ", pool.total_pages(format), " exist");
    }
  }
  if (spec.quota_bytes > 0 && own_bytes > spec.quota_bytes) {
    return exhausted("a sequence of ", tokens, " tokens needs ", own_bytes,
                     " bytes of KV pages, its quota is ", spec.quota_bytes);
  }
  return Done{};
}

Result<SequenceId> Scheduler::submit(const SequenceSpec& spec) {
  REDKNOT_TRY(const std::vector<SequenceId> ids, submit(spec, 1));
  return ids.front();
}

Result<std::vector<SequenceId>> Scheduler::submit(const SequenceSpec& spec, int count) {
  REDKNOT_CHECK(!spec.prompt.tokens.empty() && spec.max_tokens >= 0 && count >= 1);
  const std::vector<SequencePart> parts = parts_of(spec.prompt, spec.salt);
  const int chunk_tokens = options_.max_step_tokens;
  REDKNOT_RETURN_IF_ERROR(fits_alone(pool_, profile_, spec, parts, chunk_tokens));
  std::vector<SequenceId> ids;
  for (int i = 0; i < count; ++i) {
    const SequenceId id = ids.emplace_back(SequenceId{next_id_++});
    Sequence sequence(id, spec, parts);
    sequence.needs = needs_of(pool_, profile_, spec, parts, chunk_tokens).sequence;
    if (shares(spec)) sequence.group = ids.front();
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

// Builds of segments that no sequence is composed of, trunks that nobody branched from, and then
// builds that only these needed.
void Scheduler::drop_unneeded() {
  const auto is_needed = [this](const Sequence& inner) {
    return std::any_of(running_.begin(), running_.end(), [&inner](const Sequence& sequence) {
      if (inner.is_trunk) return !sequence.is_trunk && sequence.group == inner.group;
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

PageCounts Scheduler::trunk_pages(const Sequence& branch) const {
  return own_pages(profile_, pool_.shape(), branch.parts(), 0, options_.max_step_tokens,
                   branch.recovery());
}

// Pages that must exist if `next`, unless it is null, runs beside all that run but those left out:
// reservations, the segments that they are composed of, at hand or not, and those that are held.
// All else goes when its room is wanted.
PageCounts Scheduler::demand(const Sequence* next, std::span<const SequenceId> without) const {
  PageCounts pages = next == nullptr ? PageCounts{} : next->needs;
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
    const bool is_needed = inner.is_trunk ? groups.erase(*inner.group) > 0
                                          : inner.builds && keys.erase(*inner.builds) > 0;
    if (is_needed) pages = sum(pages, inner.reserved);
  }
  if (!groups.empty()) pages = sum(pages, trunk_pages(*next));  // all others have theirs
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
  PageCounts pages = next.needs;
  bool has_trunk = !next.group;
  bool is_alone = true;
  for (const Sequence& sequence : running_) {
    if (sequence.builds || sequence.salt() != next.salt()) continue;
    pages = sum(pages, sequence.reserved);
    has_trunk = has_trunk || sequence.group == next.group;
    is_alone = false;
  }
  if (!has_trunk) pages = sum(pages, trunk_pages(next));
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
  const bool is_first = !next.has_run && (!next.group || trunk_of(next) == nullptr);
  std::set<SegmentKey> keys;
  for (const SequencePart& part : next.parts()) {
    if (!part.segment || !keys.insert(*part.segment).second) continue;
    const bool is_here = segments().find(*part.segment) != nullptr || is_being_built(*part.segment);
    if (is_first) ++(is_here ? counts_.segment_hits : counts_.segment_misses);
    if (is_here) continue;
    start_build(next, part);
    next.add_built(part.tokens());
  }
  if (next.group && trunk_of(next) == nullptr) start_trunk(next);
  next.reserved = next.needs;
  admitted_.push_back(next.id());
  run(std::move(next));
}

void Scheduler::run(Sequence sequence) {
  acquire_parts(sequence);
  sequence.start(pool_, profile_);
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
  Sequence build(SequenceId{next_id_++}, std::move(spec), std::move(parts));
  build.builds = part.segment;
  build.builds_for = sequence.id();
  build.reserved = segment_pages(profile_, pool_.shape(), part.tokens());
  run(std::move(build));
}

// A sequence of the prompt alone, as the branch would compute it.
void Scheduler::start_trunk(const Sequence& branch) {
  const std::span<const SequencePart> parts = branch.parts();
  const std::span<const TokenId> prompt =
      branch.tokens().first(static_cast<std::size_t>(branch.prompt_length()));
  SequenceSpec spec{.recovery = branch.recovery(),
                    .salt = branch.salt(),
                    .uses_prefixes = branch.uses_prefixes(),
                    .priority = branch.priority()};
  spec.prompt.tokens.assign(prompt.begin(), prompt.end());
  spec.prompt.context_tokens = branch.context_tokens();
  Sequence trunk(SequenceId{next_id_++}, std::move(spec), {parts.begin(), parts.end()});
  trunk.group = branch.group;
  trunk.is_trunk = true;
  trunk.has_run = branch.has_run;
  trunk.builds_for = branch.id();
  trunk.reserved = trunk_pages(branch);
  run(std::move(trunk));
}

int Scheduler::submitted() const {
  return static_cast<int>(std::count_if(running_.begin(), running_.end(),
                                        [](const Sequence& one) { return !one.is_inner(); }));
}

}  // namespace redknot
