// SPDX-License-Identifier: Apache-2.0
#include "sched/sequences.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace redknot {

bool Sequences::GoesBefore::operator()(const SequenceRecord* a, const SequenceRecord* b) const {
  const int first = a->spec().priority, second = b->spec().priority;
  return first != second ? first > second : a->id < b->id;
}

SequenceRecord& Sequences::add(SequenceRecord record) {
  const SequenceId id = record.id;
  const auto [at, added] =
      records_.emplace(id, std::make_unique<SequenceRecord>(std::move(record)));
  REDKNOT_CHECK(added);
  waiting_.insert(at->second.get());
  return *at->second;
}

SequenceRecord* Sequences::find(SequenceId id) {
  const auto found = records_.find(id);
  return found == records_.end() ? nullptr : found->second.get();
}

const SequenceRecord* Sequences::find(SequenceId id) const {
  const auto found = records_.find(id);
  return found == records_.end() ? nullptr : found->second.get();
}

void Sequences::run(SequenceRecord& record) {
  REDKNOT_CHECK(waiting_.erase(&record) == 1);
  running_.push_back(&record);
  if (record.is_answer()) ++answers_;
  if (record.role == SequenceRole::kSharedPrompt) shared_prompts_[*record.group] = &record;
  if (record.builds) builds_[*record.builds] = &record;
}

void Sequences::wait_again(SequenceRecord& record) {
  const auto at = std::find(running_.begin(), running_.end(), &record);
  REDKNOT_CHECK(at != running_.end());
  running_.erase(at);
  if (record.is_answer()) --answers_;
  if (record.role == SequenceRole::kSharedPrompt) shared_prompts_.erase(*record.group);
  if (record.builds) builds_.erase(*record.builds);
  waiting_.insert(&record);
}

void Sequences::erase(SequenceRecord& record) {
  REDKNOT_CHECK(waiting_.erase(&record) == 1);
  records_.erase(SequenceId(record.id));
}

SequenceRecord* Sequences::shared_prompt_of(const SequenceRecord& answer) const {
  if (!answer.shares_prompt()) return nullptr;
  const auto found = shared_prompts_.find(*answer.group);
  return found == shared_prompts_.end() ? nullptr : found->second;
}

SequenceRecord* Sequences::build_of(const SegmentKey& key) const {
  const auto found = builds_.find(key);
  return found == builds_.end() ? nullptr : found->second;
}

}  // namespace redknot
