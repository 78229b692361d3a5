// SPDX-License-Identifier: Apache-2.0
#include "sched/scheduler.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

void subtract(PageCounts& from, const PageCounts& pages) {
  for (std::size_t i = 0; i < from.size(); ++i) from[i] -= pages[i];
}

// When a sequence gets its rows of a step.
enum class Turn { kWaited, kGenerates, kPrompt };

Turn turn_of(const Sequence& sequence) {
  if (sequence.waits_for_room()) return Turn::kWaited;
  return sequence.generates() ? Turn::kGenerates : Turn::kPrompt;
}

bool in_plan(const StepPlan& plan, const Sequence& sequence) {
  return std::any_of(plan.slices.begin(), plan.slices.end(),
                     [&](const StepSlice& slice) { return slice.sequence == sequence.id(); });
}

ComposedTokens composed(const Sequence& sequence) {
  return {sequence.tokens(), sequence.parts(), sequence.recovery(), sequence.salt()};
}

}  // namespace

Status fits_alone(const PagePool& pool, const HeadProfile& profile, const SequenceSpec& spec,
                  std::span<const SequencePart> parts, int chunk_tokens) {
  PageCounts needed =
      own_pages(profile, pool.shape(), parts, spec.max_tokens, chunk_tokens, spec.recovery);
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
  for (const KvFormat format : kKvFormats) {
    if (needed[index_of(format)] > pool.total_pages(format)) {
      return exhausted("a sequence of ", spec.prompt.tokens.size() + spec.max_tokens,
                       " tokens needs ", needed[index_of(format)], " KV pages, ",
                       pool.total_pages(format), " exist");
    }
  }
  return Done{};
}

Scheduler::Scheduler(PagePool& pool, const HeadProfile& profile, const SchedulerOptions& options)
    : pool_(pool), profile_(profile), options_(options) {}

Sequence* Scheduler::find(SequenceId id) {
  return const_cast<Sequence*>(std::as_const(*this).find(id));
}

const Sequence* Scheduler::find(SequenceId id) const {
  const auto has_id = [id](const Sequence& sequence) { return sequence.id() == id; };
  const auto running = std::find_if(running_.begin(), running_.end(), has_id);
  if (running != running_.end()) return &*running;
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), has_id);
  return waiting == waiting_.end() ? nullptr : &*waiting;
}

Result<SequenceId> Scheduler::submit(SequenceSpec spec) {
  REDKNOT_CHECK(!spec.prompt.tokens.empty() && spec.max_tokens >= 0);
  std::vector<SequencePart> parts = parts_of(spec.prompt, spec.salt);
  REDKNOT_RETURN_IF_ERROR(fits_alone(pool_, profile_, spec, parts, options_.max_step_tokens));
  const PageCounts reserved = own_pages(profile_, pool_.shape(), parts, spec.max_tokens,
                                        options_.max_step_tokens, spec.recovery);
  const SequenceId id{next_id_++};
  waiting_.emplace_back(id, std::move(spec), std::move(parts)).reserved = reserved;
  return id;
}

void Scheduler::cancel(SequenceId id) {
  const auto has_id = [id](const Sequence& sequence) { return sequence.id() == id; };
  std::erase_if(waiting_, has_id);
  const auto running = std::find_if(running_.begin(), running_.end(), has_id);
  if (running != running_.end()) drop(running);
  drop_unneeded_builds();
}

// Builds of segments that no sequence is composed of, and then those that only these needed.
void Scheduler::drop_unneeded_builds() {
  const auto is_needed = [this](const SegmentKey& key) {
    return std::any_of(running_.begin(), running_.end(), [&key](const Sequence& sequence) {
      const std::span<const SequencePart> parts = sequence.parts();
      return std::any_of(parts.begin(), parts.end(),
                         [&key](const SequencePart& part) { return part.segment == key; });
    });
  };
  for (;;) {
    const auto unneeded = std::find_if(
        running_.begin(), running_.end(),
        [&](const Sequence& sequence) { return sequence.builds && !is_needed(*sequence.builds); });
    if (unneeded == running_.end()) return;
    drop(unneeded);
  }
}

void Scheduler::drop(Running running) {
  leave_prefix(*running);
  subtract(reserved_, running->reserved);
  for (const SegmentKey& key : running->pinned) segments_.unpin(key);
  running_.erase(running);
}

void Scheduler::pause(SequenceId id, bool paused) {
  if (Sequence* sequence = find(id)) sequence->paused = paused;
}

// Pages that nobody has reserved and no segment in use holds; what other segments hold goes when it
// is wanted.
bool Scheduler::fits(const PageCounts& pages) const {
  const PageCounts wanted = sum(sum(reserved_, segments_.pinned_pages()), pages);
  return std::all_of(kKvFormats.begin(), kKvFormats.end(), [&](KvFormat format) {
    return wanted[index_of(format)] <= pool_.total_pages(format);
  });
}

bool Scheduler::is_being_built(const SegmentKey& key) const {
  return std::any_of(running_.begin(), running_.end(),
                     [&key](const Sequence& sequence) { return sequence.builds == key; });
}

// Pins those of its segments that are here.
void Scheduler::pin_parts(Sequence& sequence) {
  std::set<SegmentKey> keys;
  for (const SequencePart& part : sequence.parts()) {
    if (!part.segment || !keys.insert(*part.segment).second) continue;
    if (segments_.find(*part.segment) == nullptr) continue;
    segments_.pin(*part.segment, now_);
    sequence.pinned.push_back(*part.segment);
  }
}

void Scheduler::run(Sequence sequence) {
  ++now_;
  pin_parts(sequence);
  sequence.start(pool_, profile_);
  reserved_ = sum(reserved_, sequence.reserved);
  running_.push_back(std::move(sequence));
}

// A sequence that computes a part behind its canonical context, which it adopts. Nothing of it is
// forgotten.
void Scheduler::start_build(const Sequence& sequence, const SequencePart& part) {
  const bool is_context = part.positions.begin < sequence.context_tokens();
  const int context_tokens = is_context ? 0 : sequence.context_tokens();
  SequenceSpec spec;
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

// Admits the first that waits, with the segments that it needs: those that are here stay, those
// that are neither here nor on their way are built. False if there is no room for all of it.
bool Scheduler::admit_front() {
  Sequence& front = waiting_.front();
  PageCounts wanted = front.reserved;
  std::set<SegmentKey> keys;
  std::vector<const SequencePart*> missing;
  for (const SequencePart& part : front.parts()) {
    if (!part.segment || !keys.insert(*part.segment).second) continue;
    if (const Segment* segment = segments_.find(*part.segment)) {
      if (!segments_.is_pinned(*part.segment)) wanted = sum(wanted, segment->page_count());
    } else if (!is_being_built(*part.segment)) {
      missing.push_back(&part);
      wanted = sum(wanted, segment_pages(profile_, pool_.shape(), part.tokens()));
    }
  }
  if (!fits(wanted)) return false;
  for (const SequencePart* part : missing) {
    start_build(front, *part);
    front.add_built(part->tokens());
  }
  Sequence sequence = std::move(front);
  waiting_.pop_front();
  admitted_.push_back(sequence.id());
  run(std::move(sequence));
  return true;
}

void Scheduler::admit() {
  while (!waiting_.empty() && submitted() < options_.max_sequences) {
    if (!admit_front()) return;
  }
}

// Whether it waits for a segment that is being built.
bool Scheduler::is_blocked(const Sequence& sequence) const {
  const std::span<const SequencePart> parts = sequence.remaining();
  return std::any_of(parts.begin(), parts.end(), [this](const SequencePart& part) {
    return part.segment && segments_.find(*part.segment) == nullptr;
  });
}

Supply Scheduler::supply() {
  return {segments_, [this](const std::function<PageCounts()>& wanted) { make_room(wanted); }};
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
      drop_segment(segment->key);
    } else {
      return;
    }
  }
}

void Scheduler::drop_segment(const SegmentKey& key) {
  prefixes_.drop_holding(key);
  segments_.drop(key);
}

// Begins a sequence with what an earlier one left, if any. Its last token is always computed: its
// logits are wanted.
void Scheduler::begin(Sequence& sequence) {
  sequence.begin();
  if (!sequence.uses_prefixes() || sequence.all_logits()) return;
  auto found = prefixes_.find(composed(sequence), sequence.prompt_length() - 1, now_);
  if (found) sequence.begin_with(std::move(*found));
}

// Keeps what the sequence holds for later ones, if all of it is computed.
void Scheduler::leave_prefix(const Sequence& sequence) {
  if (!sequence.uses_prefixes() || !sequence.is_prefix()) return;
  prefixes_.insert(composed(sequence), sequence.kv(), now_);
}

StepPlan Scheduler::next_step() {
  admitted_.clear();
  admit();
  StepPlan plan;
  const Supply from = supply();
  // Sequences that generate come first: each adds one row, so prompts do not hold them up. Before
  // them comes one that found too little room in the last step for rows that belong together.
  for (const Turn turn : {Turn::kWaited, Turn::kGenerates, Turn::kPrompt}) {
    for (Sequence& sequence : running_) {
      if (sequence.paused || turn_of(sequence) != turn || in_plan(plan, sequence)) continue;
      if (sequence.is_computed() || is_blocked(sequence)) continue;
      const int room = options_.max_step_tokens - static_cast<int>(plan.tokens.size());
      const int logit_room = options_.max_logit_rows - static_cast<int>(plan.logit_rows.size());
      if (room <= 0) break;
      if (logit_room <= 0 && !sequence.builds) continue;
      if (!sequence.has_begun()) begin(sequence);
      sequence.add_rows(plan, room, logit_room, from);
    }
  }
  return plan;
}

std::vector<SequenceKv*> Scheduler::kv(const StepPlan& plan) {
  std::vector<SequenceKv*> result;
  for (const StepSlice& slice : plan.slices) result.push_back(&find(slice.sequence)->kv());
  return result;
}

void Scheduler::computed(const StepPlan& plan, std::span<const Measured> measured) {
  REDKNOT_CHECK(measured.size() == plan.slices.size());
  const Supply from = supply();
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    Sequence& sequence = *find(plan.slices[i].sequence);
    sequence.computed(plan, plan.slices[i], measured[i], from);
    if (!sequence.builds) {
      sequence.kv().forget(sequence.first_needed());
      if (sequence.kv().length() == sequence.prompt_length()) leave_prefix(sequence);
    } else if (sequence.is_computed()) {
      finish_build(sequence);
    }
  }
}

// Its segment is here from now on, for all that wait for it.
void Scheduler::finish_build(Sequence& build) {
  const SegmentKey key = *build.builds;
  segments_.insert(key,
                   Segment(pool_, build.kv(), {build.context_tokens(), build.prompt_length()}));
  for (Sequence& sequence : running_) {
    const std::span<const SequencePart> parts = sequence.parts();
    const bool needs = std::any_of(parts.begin(), parts.end(), [&key](const SequencePart& part) {
      return part.segment == key;
    });
    if (!needs) continue;
    segments_.pin(key, now_);
    sequence.pinned.push_back(key);
  }
  if (Sequence* asked = find(*build.builds_for)) asked->add_flops(build.counts().flops);
  const auto is_it = [&build](const Sequence& sequence) { return &sequence == &build; };
  drop(std::find_if(running_.begin(), running_.end(), is_it));
}

bool Scheduler::is_submitted(SequenceId id) const {
  const Sequence* sequence = find(id);
  return sequence != nullptr && !sequence->builds;
}

bool Scheduler::samples(SequenceId id) const {
  const Sequence* sequence = find(id);
  return sequence->is_computed() && !ended(id);
}

void Scheduler::append(SequenceId id, TokenId token) { find(id)->append(token); }

bool Scheduler::ended(SequenceId id) const { return find(id)->ended(); }

std::span<const TokenId> Scheduler::tokens(SequenceId id) const { return find(id)->tokens(); }

PromptTokens Scheduler::prompt_tokens(SequenceId id) const { return find(id)->counts(); }

KvPages Scheduler::kv_pages(SequenceId id) const { return find(id)->kv_pages(); }

int Scheduler::submitted() const {
  return static_cast<int>(std::count_if(running_.begin(), running_.end(),
                                        [](const Sequence& one) { return !one.builds; }));
}

void Scheduler::count_pages(std::span<int> pages) const {
  REDKNOT_CHECK(pages.size() == profile_.policies.size());
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const int head = static_cast<int>(i);
    pages[i] += segments_.pages_per_head();
    for (const Sequence& sequence : running_) {
      pages[i] += sequence.kv().own_pages(head / profile_.kv_heads, head % profile_.kv_heads);
    }
  }
}

bool Scheduler::check() const {
  PageCounts reserved = {};
  std::set<PageId> held;
  const auto hold = [&](const SequenceKv& kv) {
    PageCounts own = {};
    for (int head = 0; head < profile_.layers * profile_.kv_heads; ++head) {
      const KvFormat format = profile_.policies[static_cast<std::size_t>(head)].kv_format;
      for (const PageRef& page : kv.table(head / profile_.kv_heads, head % profile_.kv_heads)) {
        own[index_of(format)] += page.reused ? 0 : 1;
        if (!page.reused) held.insert(page.page);
      }
    }
    return own;
  };
  for (const Sequence& sequence : running_) {
    if (!sequence.kv().check()) return false;
    const PageCounts own = hold(sequence.kv());
    for (std::size_t format = 0; format < kKvFormatCount; ++format) {
      if (own[format] > sequence.reserved[format]) return false;
    }
    reserved = sum(reserved, sequence.reserved);
  }
  for (const SequenceKv* kv : prefixes_.kept()) hold(*kv);
  // What segments hold is nobody's own.
  int used = static_cast<int>(held.size());
  for (const int pages : segments_.pages()) used += pages;
  for (const KvFormat format : kKvFormats) {
    used -= pool_.total_pages(format) - pool_.free_pages(format);
  }
  return used == 0 && reserved == reserved_ && segments_.check() && pool_.check();
}

}  // namespace redknot
