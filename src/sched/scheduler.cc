// SPDX-License-Identifier: Apache-2.0
#include "sched/scheduler.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "sched/composition.h"
#include "sched/step_share.h"

namespace redknot {
namespace {

// When a sequence gets its rows of a step.
enum class Turn { kWaited, kGenerates, kPrompt };

Turn turn_of(const Sequence& sequence) {
  if (sequence.waits_for_room()) return Turn::kWaited;
  const bool generates = sequence.generates() && sequence.rows_left() <= 1;
  return generates ? Turn::kGenerates : Turn::kPrompt;
}

bool in_plan(const StepPlan& plan, const Sequence& sequence) {
  return std::any_of(plan.slices.begin(), plan.slices.end(),
                     [&](const StepSlice& slice) { return slice.sequence == sequence.id(); });
}

}  // namespace

Scheduler::Scheduler(PageAllocator& pool, const HeadProfile& profile,
                     const SchedulerOptions& options)
    : pool_(pool), profile_(profile), options_(options), cache_(pool, profile, options.domain) {}

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

void Scheduler::pause(SequenceId id, bool paused) {
  if (Sequence* sequence = find(id)) sequence->paused = paused;
}

// Whether it waits for a segment that is being built, or for its prompt.
bool Scheduler::is_blocked(const Sequence& sequence) const {
  if (const Sequence* shared = shared_prompt_of(sequence)) {
    if (!sequence.has_begun() && !shared->is_computed()) return true;
  }
  const std::span<const SequencePart> parts = sequence.remaining();
  return std::any_of(parts.begin(), parts.end(), [this](const SequencePart& part) {
    return part.segment && segments().find(*part.segment) == nullptr;
  });
}

// The one that keeps an answer's prompt; null for all others.
const Sequence* Scheduler::shared_prompt_of(const Sequence& answer) const {
  if (!answer.group || answer.keeps_shared_prompt) return nullptr;
  const auto shared =
      std::find_if(running_.begin(), running_.end(), [&answer](const Sequence& one) {
        return one.keeps_shared_prompt && one.group == answer.group;
      });
  return shared == running_.end() ? nullptr : &*shared;
}

CacheAccess Scheduler::cache_access() {
  return {segments(),
          [this](const std::function<PageCounts()>& wanted) { cache_.evict_until(wanted); }};
}

// Begins a sequence with what an earlier one left, if any. Its last token is always computed: its
// logits are wanted.
void Scheduler::begin(Sequence& sequence) {
  sequence.begin();
  if (const Sequence* shared = shared_prompt_of(sequence)) {
    sequence.begin_with_shared_prompt(*shared, shared->builds_for == sequence.id());
    return;
  }
  if (!sequence.uses_prefixes() || sequence.all_logits()) return;
  const int most_tokens = static_cast<int>(sequence.tokens().size()) - 1;
  const Chain wanted =
      chain_of({sequence.tokens(), sequence.parts(), sequence.recovery(), sequence.salt()},
               pool_.shape().page_tokens);
  auto found = cache_.find_prefix(wanted, most_tokens);
  if (!sequence.has_run) ++(found ? counts_.prefix_hits : counts_.prefix_misses);
  if (found) sequence.begin_with(*found);
}

// How many it added; none if it cannot go on now.
int Scheduler::add_rows(StepPlan& plan, Sequence& sequence, int most_rows) {
  const int room = options_.max_step_tokens - static_cast<int>(plan.tokens.size());
  const int logit_room = options_.max_logit_rows - static_cast<int>(plan.logit_rows.size());
  if (std::min(room, most_rows) <= 0) return 0;
  if (logit_room <= 0 && !sequence.is_inner()) return 0;
  if (!sequence.has_begun()) begin(sequence);
  return sequence.add_rows(plan, std::min(room, most_rows), logit_room, cache_access());
}

void Scheduler::add_prompts(StepPlan& plan) {
  std::vector<Sequence*> prompts;
  for (Sequence& sequence : running_) {
    if (sequence.paused || sequence.is_computed() || is_blocked(sequence)) continue;
    if (!in_plan(plan, sequence)) prompts.push_back(&sequence);
  }
  std::stable_sort(prompts.begin(), prompts.end(), [](const Sequence* a, const Sequence* b) {
    return a->priority() > b->priority();
  });
  std::vector<int> wanted;
  wanted.reserve(prompts.size());
  for (const Sequence* prompt : prompts) wanted.push_back(std::max(1, prompt->rows_left()));
  const int room = options_.max_step_tokens - static_cast<int>(plan.tokens.size());
  const std::vector<int> shares = share_rows(wanted, room);
  // How many rows recovery wants is not known before, so all of the room is offered.
  int spare = room - std::accumulate(shares.begin(), shares.end(), 0);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const int share = shares[i] + spare;
    spare = share - add_rows(plan, *prompts[i], share);
  }
  for (Sequence* prompt : prompts) {
    if (spare > 0 && !in_plan(plan, *prompt)) spare -= add_rows(plan, *prompt, spare);
  }
}

StepPlan Scheduler::next_step() {
  admitted_.clear();
  admit();
  StepPlan plan;
  // Sequences that generate come first: each adds one row, so prompts do not hold them up. Before
  // them comes one that found too little room in the last step for rows that belong together.
  for (const Turn turn : {Turn::kWaited, Turn::kGenerates}) {
    for (Sequence& sequence : running_) {
      if (sequence.paused || turn_of(sequence) != turn || in_plan(plan, sequence)) continue;
      if (sequence.is_computed() || is_blocked(sequence)) continue;
      add_rows(plan, sequence, options_.max_step_tokens);
    }
  }
  add_prompts(plan);
  if (!plan.empty()) plan.page_ops = std::exchange(page_ops_, {});
  return plan;
}

void Scheduler::computed(const StepPlan& plan, const StepResult& result) {
  REDKNOT_CHECK(result.slices.size() == plan.slices.size());
  const CacheAccess cache = cache_access();
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    Sequence& sequence = *find(plan.slices[i].sequence);
    sequence.computed(plan, plan.slices[i], result.slices[i], cache);
    if (sequence.builds) {
      if (sequence.is_computed()) finish_build(sequence);
      continue;
    }
    // Answers begin with a shared prompt but for its last token.
    const int last =
        sequence.keeps_shared_prompt ? sequence.prompt_length() - 1 : sequence.first_needed();
    sequence.kv().forget(std::min(last, sequence.first_needed()));
    if (sequence.kv().length() == sequence.prompt_length()) leave_prefix(sequence);
    if (sequence.is_computed()) shrink(sequence);
  }
}

// Less is reserved from now on.
void Scheduler::shrink(Sequence& sequence) const {
  const PageCounts pages = sequence.pages_to_decode();
  for (std::size_t i = 0; i < pages.size(); ++i) {
    sequence.reserved[i] = std::min(sequence.reserved[i], pages[i]);
  }
}

bool Scheduler::is_submitted(SequenceId id) const {
  const Sequence* sequence = find(id);
  return sequence != nullptr && !sequence->is_inner();
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

void Scheduler::count_pages(std::span<int> pages) const {
  REDKNOT_CHECK(pages.size() == profile_.policies.size());
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const int head = static_cast<int>(i);
    pages[i] += segments().pages_per_head();
    for (const Sequence& sequence : running_) {
      pages[i] += sequence.kv().own_pages(head / profile_.kv_heads, head % profile_.kv_heads);
    }
  }
}

bool Scheduler::check() const {
  PageCounts reserved = segments().used_pages();
  std::set<PageId> held;
  const auto hold = [&](const SequenceKv& kv) {
    for (int head = 0; head < profile_.layers * profile_.kv_heads; ++head) {
      for (const PageRef& page : kv.table(head / profile_.kv_heads, head % profile_.kv_heads)) {
        if (!page.reused) held.insert(page.page);
      }
    }
  };
  for (const Sequence& sequence : running_) {
    if (!sequence.kv().check()) return false;
    hold(sequence.kv());
    const PageCounts own = sequence.own_pages();
    for (std::size_t format = 0; format < kKvFormatCount; ++format) {
      if (own[format] > sequence.reserved[format]) return false;
    }
    reserved = sum(reserved, sequence.reserved);
  }
  for (const PageId page : cache_.prefixes().own_pages()) held.insert(page);
  // What segments hold is nobody's own.
  int used = static_cast<int>(held.size());
  for (const int pages : segments().pages()) used += pages;
  for (const KvFormat format : kKvFormats) {
    if (reserved[index_of(format)] > pool_.total_pages(format)) return false;
    used -= pool_.total_pages(format) - pool_.free_pages(format);
  }
  return used == 0 && cache_.check() && pool_.check();
}

}  // namespace redknot
