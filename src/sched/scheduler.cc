// SPDX-License-Identifier: Apache-2.0
#include "sched/scheduler.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

// Less is reserved from now on.
void shrink_reservation(SequenceRecord& record) {
  const PageCounts pages = pages_to_decode(record);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    record.reserved[i] = std::min(record.reserved[i], pages[i]);
  }
}

}  // namespace

Scheduler::Scheduler(PageAllocator& pages, const HeadProfile& profile,
                     const SchedulerOptions& options)
    : pages_(pages),
      profile_(profile),
      cache_(pages, profile, options.domain),
      admission_(pages, profile, options.max_sequences, sequences_, cache_),
      activation_(pages, profile, sequences_, cache_, counts_, page_ops_),
      planner_({options.max_step_tokens, options.max_logit_rows}, sequences_, cache_, counts_) {}

std::vector<SequenceId> Scheduler::submit(const std::shared_ptr<const SequenceRequest>& request,
                                          int count) {
  REDKNOT_CHECK(count >= 1);
  std::vector<SequenceId> ids;
  for (int i = 0; i < count; ++i) {
    SequenceRecord record = make_record(sequences_.new_id(), request);
    ids.push_back(record.id);
    record.answer = i;
    if (request->shares_prompt) record.group = ids.front();
    sequences_.add(std::move(record));
  }
  return ids;
}

void Scheduler::cancel(SequenceId id) {
  if (SequenceRecord* record = sequences_.find(id)) activation_.stop(*record);
}

void Scheduler::pause(SequenceId id, bool paused) {
  if (SequenceRecord* record = sequences_.find(id)) record->paused = paused;
}

std::vector<SequenceEvent> Scheduler::admit() {
  std::vector<SequenceEvent> events;
  std::set<std::string> full;
  while (const std::optional<Admission::Decision> decision = admission_.next(full)) {
    activation_.preempt(decision->give_way);
    activation_.start(*decision->runs);
    events.push_back({.kind = SequenceEvent::Kind::kAdmitted, .sequence = decision->runs->id});
  }
  return events;
}

StepPlan Scheduler::plan() {
  StepPlan plan = planner_.next_step();
  if (!plan.empty()) plan.page_ops = std::exchange(page_ops_, {});
  return plan;
}

std::vector<SequenceEvent> Scheduler::finish(const StepPlan& plan, StepResult result) {
  REDKNOT_CHECK(result.slices.size() == plan.slices.size());
  REDKNOT_CHECK(result.sampled.size() == plan.samples.size());
  std::vector<SequenceEvent> events;
  std::size_t sample = 0;
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    const int end = plan.slices[i].first_row + plan.slices[i].rows;
    const bool is_sampled = sample < plan.samples.size() && plan.samples[sample].row < end;
    const SampledToken* sampled = is_sampled ? &result.sampled[sample++] : nullptr;
    std::optional<SequenceEvent> event = take(plan, i, result.slices[i], sampled);
    if (event) events.push_back(std::move(*event));
  }
  return events;
}

std::optional<SequenceEvent> Scheduler::take(const StepPlan& plan, std::size_t slice,
                                             SliceResult& result, const SampledToken* sampled) {
  const StepSlice& rows = plan.slices[slice];
  SequenceRecord* found = sequences_.find(rows.sequence);
  if (found == nullptr || found->kv == nullptr) return std::nullopt;  // it was taken out meanwhile
  SequenceRecord& record = *found;
  if (!record.generates()) counts_.prompt_rows += static_cast<std::uint64_t>(rows.rows);
  PromptComposer& composer = record.composer;
  const CacheAccess cache = cache_access(cache_);
  composer.computed(plan, rows, result, {record.id, record.tokens, *record.kv, cache});
  if (record.builds) {
    const auto fits = [this] { return pins_fit(); };
    if (record.is_computed()) activation_.finish_build(record, fits);
    return std::nullopt;
  }
  // Answers begin with a shared prompt but for its last token.
  const int prompt_tokens = record.request->prompt_tokens();
  int needed = composer.first_needed(*record.kv);
  if (record.role == SequenceRole::kSharedPrompt) needed = std::min(needed, prompt_tokens - 1);
  record.kv->forget(needed);
  if (record.kv->length() == prompt_tokens) activation_.keep_prefix(record);
  if (record.is_computed()) shrink_reservation(record);
  if (!record.is_answer()) return std::nullopt;
  SequenceEvent event{.kind = SequenceEvent::Kind::kComputed,
                      .sequence = record.id,
                      .logits = std::move(result.logits)};
  if (sampled != nullptr) {
    event.kind = sampled->usable ? SequenceEvent::Kind::kToken : SequenceEvent::Kind::kFailed;
    event.token = *sampled;
    if (sampled->usable) record.tokens.push_back(sampled->token);
    event.is_last = record.has_ended();
  } else if (record.has_ended()) {
    event.kind = SequenceEvent::Kind::kEnded;
  }
  return event;
}

SequenceUsage Scheduler::usage(SequenceId id, bool with_pages) const {
  const SequenceRecord& record = *sequences_.find(id);
  return {record.composer.counts(), with_pages ? pages_of(record) : KvPages{}};
}

std::span<const TokenId> Scheduler::tokens(SequenceId id) const {
  return sequences_.find(id)->tokens;
}

void Scheduler::count_pages(std::span<int> pages) const {
  REDKNOT_CHECK(pages.size() == profile_.policies.size());
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const int head = static_cast<int>(i);
    pages[i] += cache_.segments().pages_per_head();
    for (const SequenceRecord* record : sequences_.running()) {
      pages[i] += record->kv->own_pages(head / profile_.kv_heads, head % profile_.kv_heads);
    }
  }
}

bool Scheduler::check() const {
  PageCounts reserved = cache_.segments().used_pages();
  std::set<PageId> held;
  for (const SequenceRecord* record : sequences_.running()) {
    if (!record->kv->check() || !covers(record->reserved, own_pages(*record))) return false;
    for (int head = 0; head < record->kv->tables().heads(); ++head) {
      for (const PageRef& page : record->kv->tables().at(head)) {
        if (!page.reused) held.insert(page.page);
      }
    }
    reserved = sum(reserved, record->reserved);
  }
  for (const PageId page : cache_.prefixes().own_pages()) held.insert(page);
  // What segments hold is nobody's own.
  int used = static_cast<int>(held.size());
  for (const int pages : cache_.segments().pages()) used += pages;
  for (const KvFormat format : kKvFormats) {
    used -= pages_.total_pages(format) - pages_.free_pages(format);
  }
  return used == 0 && covers(pages_.total_pages(), reserved) && cache_.check() && pages_.check();
}

}  // namespace redknot
