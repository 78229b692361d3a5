// SPDX-License-Identifier: Apache-2.0
#include "sched/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
Status fits_alone(const PagePool& pool, const HeadProfile& profile, int tokens, int chunk_tokens) {
  const auto needed = peak_pages(profile, pool.shape(), tokens, chunk_tokens);
  for (const KvFormat format : kKvFormats) {
    if (needed[index_of(format)] > pool.total_pages(format)) {
      return exhausted("a sequence of ", tokens, " tokens needs ", needed[index_of(format)],
                       " KV pages, ", pool.total_pages(format), " exist");
    }
  }
  return Done{};
}

Scheduler::Scheduler(PagePool& pool, const HeadProfile& profile, const SchedulerOptions& options)
    : pool_(pool), profile_(profile), options_(options) {}

Scheduler::Sequence* Scheduler::find(SequenceId id) {
  return const_cast<Sequence*>(std::as_const(*this).find(id));
}

const Scheduler::Sequence* Scheduler::find(SequenceId id) const {
  const auto has_id = [id](const Sequence& sequence) { return sequence.id == id; };
  const auto running = std::find_if(running_.begin(), running_.end(), has_id);
  if (running != running_.end()) return &*running;
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), has_id);
  return waiting == waiting_.end() ? nullptr : &*waiting;
}

Result<SequenceId> Scheduler::submit(SequenceSpec spec) {
  REDKNOT_CHECK(!spec.prompt.empty() && spec.max_tokens >= 0);
  Sequence sequence{.id = SequenceId{next_id_++},
                    .tokens = std::move(spec.prompt),
                    .max_tokens = spec.max_tokens,
                    .all_logits = spec.all_logits};
  sequence.prompt_tokens = static_cast<int>(sequence.tokens.size());
  const int longest = sequence.prompt_tokens + sequence.max_tokens;
  sequence.reserved = peak_pages(profile_, pool_.shape(), longest, options_.max_step_tokens);
  REDKNOT_RETURN_IF_ERROR(fits_alone(pool_, profile_, longest, options_.max_step_tokens));
  const SequenceId id = sequence.id;
  waiting_.push_back(std::move(sequence));
  return id;
}

void Scheduler::cancel(SequenceId id) {
  const auto has_id = [id](const Sequence& sequence) { return sequence.id == id; };
  std::erase_if(waiting_, has_id);
  const auto running = std::find_if(running_.begin(), running_.end(), has_id);
  if (running == running_.end()) return;
  for (const KvFormat format : kKvFormats) {
    reserved_[index_of(format)] -= running->reserved[index_of(format)];
  }
  running_.erase(running);
}

void Scheduler::pause(SequenceId id, bool paused) {
  if (Sequence* sequence = find(id)) sequence->paused = paused;
}

bool Scheduler::fits(const PageCounts& pages) const {
  return std::all_of(kKvFormats.begin(), kKvFormats.end(), [&](KvFormat format) {
    return reserved_[index_of(format)] + pages[index_of(format)] <= pool_.total_pages(format);
  });
}

void Scheduler::admit() {
  while (!waiting_.empty() && running() < options_.max_sequences &&
         fits(waiting_.front().reserved)) {
    Sequence sequence = std::move(waiting_.front());
    waiting_.pop_front();
    sequence.kv = std::make_unique<SequenceKv>(pool_, profile_);
    for (const KvFormat format : kKvFormats) {
      reserved_[index_of(format)] += sequence.reserved[index_of(format)];
    }
    running_.push_back(std::move(sequence));
  }
}

// Adds the sequence's next `rows` tokens to the plan and makes room for them.
void Scheduler::add_rows(StepPlan& plan, Sequence& sequence, int rows) {
  const int begin = sequence.kv->length();
  // Reserved at admission, so there is room.
  REDKNOT_CHECK(sequence.kv->extend(rows).ok());
  const int first_row = static_cast<int>(plan.tokens.size());
  plan.slices.push_back({sequence.id, first_row, rows});
  const bool last = begin + rows == static_cast<int>(sequence.tokens.size());
  for (int row = 0; row < rows; ++row) {
    plan.tokens.push_back(sequence.tokens[begin + row]);
    plan.positions.push_back(begin + row);
    const bool sampled = last && row == rows - 1 && sequence.max_tokens > 0;
    if (sampled || sequence.all_logits) plan.logit_rows.push_back(first_row + row);
  }
}

StepPlan Scheduler::next_step() {
  admit();
  StepPlan plan;
  // Sequences that generate come first: each adds one row, so prompts do not hold them up.
  for (const bool generating : {true, false}) {
    for (Sequence& sequence : running_) {
      const int pending = sequence.pending();
      const bool generates = sequence.kv->length() >= sequence.prompt_tokens;
      if (sequence.paused || pending == 0 || generates != generating) continue;
      const int room = options_.max_step_tokens - static_cast<int>(plan.tokens.size());
      const int logit_room = options_.max_logit_rows - static_cast<int>(plan.logit_rows.size());
      int rows = std::min(pending, room);
      if (sequence.all_logits) rows = std::min(rows, logit_room);
      if (rows <= 0 || logit_room <= 0) break;
      add_rows(plan, sequence, rows);
    }
  }
  return plan;
}

std::vector<SequenceKv*> Scheduler::kv(const StepPlan& plan) {
  std::vector<SequenceKv*> result;
  for (const StepSlice& slice : plan.slices) result.push_back(find(slice.sequence)->kv.get());
  return result;
}

void Scheduler::computed(const StepPlan& plan) {
  for (const StepSlice& slice : plan.slices) {
    SequenceKv& kv = *find(slice.sequence)->kv;
    kv.forget(kv.length());
  }
}

bool Scheduler::samples(SequenceId id) const {
  const Sequence* sequence = find(id);
  return sequence->pending() == 0 && !ended(id);
}

void Scheduler::append(SequenceId id, TokenId token) { find(id)->tokens.push_back(token); }

bool Scheduler::ended(SequenceId id) const {
  const Sequence* sequence = find(id);
  const int generated = static_cast<int>(sequence->tokens.size()) - sequence->prompt_tokens;
  // The last token is never fed back; a prompt alone ends when it has been computed.
  return generated >= sequence->max_tokens && (generated > 0 || sequence->pending() == 0);
}

std::span<const TokenId> Scheduler::tokens(SequenceId id) const { return find(id)->tokens; }

void Scheduler::count_pages(std::span<int> pages) const {
  REDKNOT_CHECK(pages.size() == profile_.policies.size());
  for (const Sequence& sequence : running_) {
    for (std::size_t i = 0; i < pages.size(); ++i) {
      const int head = static_cast<int>(i);
      const PageTable& table =
          sequence.kv->table(head / profile_.kv_heads, head % profile_.kv_heads);
      pages[i] += static_cast<int>(table.size());
    }
  }
}

bool Scheduler::check() const {
  PageCounts reserved = {}, held = {};
  for (const Sequence& sequence : running_) {
    if (!sequence.kv->check()) return false;
    const PageCounts pages = sequence.kv->pages();
    for (std::size_t format = 0; format < kKvFormatCount; ++format) {
      if (pages[format] > sequence.reserved[format]) return false;
      reserved[format] += sequence.reserved[format];
      held[format] += pages[format];
    }
  }
  for (const KvFormat format : kKvFormats) {
    const int used = pool_.total_pages(format) - pool_.free_pages(format);
    if (used > held[index_of(format)]) return false;
  }
  return reserved == reserved_ && pool_.check();
}

}  // namespace redknot
