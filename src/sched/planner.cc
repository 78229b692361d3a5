// SPDX-License-Identifier: Apache-2.0
#include "sched/planner.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "sched/composition.h"
#include "sched/step_share.h"

namespace redknot {
namespace {

// When a sequence gets its rows of a step.
enum class Turn { kWaited, kGenerates, kPrompt };

int rows_left(const SequenceRecord& record) {
  return record.composer.rows_left(*record.kv, record.token_count());
}

Turn turn_of(const SequenceRecord& record) {
  if (record.composer.waits_for_room()) return Turn::kWaited;
  return record.generates() && rows_left(record) <= 1 ? Turn::kGenerates : Turn::kPrompt;
}

bool in_plan(const StepPlan& plan, const SequenceRecord& record) {
  return std::any_of(plan.slices.begin(), plan.slices.end(),
                     [&](const StepSlice& slice) { return slice.sequence == record.id; });
}

}  // namespace

CacheAccess cache_access(KvCache& cache) {
  return {cache.segments(),
          [&cache](const std::function<PageCounts()>& wanted) { cache.evict_until(wanted); }};
}

Planner::Planner(const PlannerLimits& limits, Sequences& sequences, KvCache& cache,
                 SchedulerCounts& counts)
    : limits_(limits), sequences_(sequences), cache_(cache), counts_(counts) {}

bool Planner::is_blocked(const SequenceRecord& record) const {
  const SequenceRecord* shared = sequences_.shared_prompt_of(record);
  if (shared != nullptr && !record.composer.has_begun() && !shared->is_computed()) return true;
  const std::span<const SequencePart> parts = record.composer.remaining();
  return std::any_of(parts.begin(), parts.end(), [this](const SequencePart& part) {
    return part.segment && cache_.segments().find(*part.segment) == nullptr;
  });
}

bool Planner::may_go_on(const SequenceRecord& record) const {
  return !record.paused && !record.is_computed() && !record.has_ended() && !is_blocked(record);
}

void Planner::begin(SequenceRecord& record) {
  SequenceKv& kv = *record.kv;
  const int prompt_tokens = record.request->prompt_tokens();
  if (const SequenceRecord* shared = sequences_.shared_prompt_of(record)) {
    const std::optional<SequenceKv> prompt = shared->kv->prefix(prompt_tokens - 1);
    REDKNOT_CHECK(prompt);  // it has forgotten nothing that its last token sees
    kv.begin_with(*prompt);
    const PromptTokens spent = shared->composer.counts();
    record.composer.begin(kv, shared->works_for == record.id ? &spent : nullptr);
    return;
  }
  const SequenceSpec& spec = record.spec();
  if (!spec.uses_prefixes || spec.all_logits) return record.composer.begin(kv);
  const Chain wanted =
      chain_of({record.tokens, record.parts(), spec.recovery, spec.salt}, kv.page_tokens());
  const auto found = cache_.find_prefix(wanted, record.token_count() - 1);
  if (!record.has_run) ++(found ? counts_.prefix_hits : counts_.prefix_misses);
  if (found) kv.begin_with(*found);
  record.composer.begin(kv);
}

void Planner::complete_samples(StepPlan& plan, std::size_t first, const SequenceRecord& record) {
  for (std::size_t i = first; i < plan.samples.size(); ++i) {
    RowSample& sample = plan.samples[i];
    sample.sampling = record.spec().sampling;
    sample.sampling.seed += static_cast<std::uint64_t>(record.answer);
    const auto history = penalised_tokens(record.tokens, sample.sampling);
    sample.history.assign(history.begin(), history.end());
  }
}

int Planner::add_rows(StepPlan& plan, SequenceRecord& record, int most_rows) {
  const int room = limits_.step_tokens - static_cast<int>(plan.tokens.size());
  const int logit_room = limits_.logit_rows - static_cast<int>(plan.logit_rows.size());
  if (std::min(room, most_rows) <= 0) return 0;
  if (logit_room <= 0 && record.is_answer()) return 0;
  if (!record.composer.has_begun()) begin(record);
  const std::size_t samples = plan.samples.size();
  const CacheAccess cache = cache_access(cache_);
  const int rows = record.composer.next_rows(plan, {std::min(room, most_rows), logit_room},
                                             {record.id, record.tokens, *record.kv, cache});
  complete_samples(plan, samples, record);
  return rows;
}

void Planner::add_prompts(StepPlan& plan) {
  std::vector<SequenceRecord*> prompts;
  for (SequenceRecord* record : sequences_.running()) {
    if (may_go_on(*record) && !in_plan(plan, *record)) prompts.push_back(record);
  }
  std::stable_sort(prompts.begin(), prompts.end(),
                   [](const SequenceRecord* a, const SequenceRecord* b) {
                     return a->spec().priority > b->spec().priority;
                   });
  std::vector<int> wanted;
  wanted.reserve(prompts.size());
  for (const SequenceRecord* prompt : prompts) wanted.push_back(std::max(1, rows_left(*prompt)));
  const int room = limits_.step_tokens - static_cast<int>(plan.tokens.size());
  const std::vector<int> shares = share_rows(wanted, room);
  // How many rows recovery wants is not known before, so all of the room is offered.
  int spare = room - std::accumulate(shares.begin(), shares.end(), 0);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const int share = shares[i] + spare;
    spare = share - add_rows(plan, *prompts[i], share);
  }
  for (SequenceRecord* prompt : prompts) {
    if (spare > 0 && !in_plan(plan, *prompt)) spare -= add_rows(plan, *prompt, spare);
  }
}

StepPlan Planner::next_step() {
  StepPlan plan;
  for (const Turn turn : {Turn::kWaited, Turn::kGenerates}) {
    for (SequenceRecord* record : sequences_.running()) {
      if (record->paused || turn_of(*record) != turn || in_plan(plan, *record)) continue;
      if (may_go_on(*record)) add_rows(plan, *record, limits_.step_tokens);
    }
  }
  add_prompts(plan);
  return plan;
}

}  // namespace redknot
