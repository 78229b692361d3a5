// SPDX-License-Identifier: Apache-2.0
#include "sched/admission.h"

#include <algorithm>
#include <map>
#include <utility>

#include "sched/page_needs.h"

namespace redknot {

Admission::Admission(const PageAllocator& pages, const HeadProfile& profile, int max_sequences,
                     const Sequences& sequences, KvCache& cache)
    : pages_(pages),
      profile_(profile),
      max_sequences_(max_sequences),
      sequences_(sequences),
      cache_(cache) {}

std::optional<Admission::Decision> Admission::next(std::set<std::string>& full) const {
  for (SequenceRecord* record : sequences_.waiting()) {
    const std::string& salt = record->spec().salt;
    if (full.contains(salt)) continue;
    if (is_over_quota(*record)) {
      full.insert(salt);
      continue;
    }
    std::optional<std::vector<SequenceId>> give_way = who_gives_way(*record);
    if (!give_way) return std::nullopt;
    return Decision{record, std::move(*give_way)};
  }
  return std::nullopt;
}

bool Admission::reservations_fit() const {
  return covers(pages_.total_pages(), demand(nullptr, {}));
}

PageCounts Admission::demand(const SequenceRecord* next,
                             std::span<const SequenceId> without) const {
  PageCounts pages = next == nullptr ? PageCounts{} : next->request->needs;
  std::map<SegmentKey, int> keys;  // tokens of those segments
  std::set<SequenceId> groups;
  const auto add_parts = [&](const SequenceRecord& record) {
    for (const SequencePart& part : record.parts()) {
      if (part.segment) keys.emplace(*part.segment, part.tokens());
    }
    if (record.group) groups.insert(*record.group);
  };
  if (next != nullptr) add_parts(*next);
  for (const SequenceRecord* record : sequences_.running()) {
    const bool left_out = std::find(without.begin(), without.end(), record->id) != without.end();
    if (!record->is_answer() || left_out) continue;
    add_parts(*record);
    pages = sum(pages, record->reserved);
  }
  for (const SequenceRecord* inner : sequences_.running()) {
    if (inner->is_answer()) continue;
    const bool is_needed = inner->role == SequenceRole::kSharedPrompt
                               ? groups.erase(*inner->group) > 0
                               : keys.erase(*inner->builds) > 0;
    if (is_needed) pages = sum(pages, inner->reserved);
  }
  // All other groups have a sequence that keeps their prompt.
  if (!groups.empty()) pages = sum(pages, next->request->shared_prompt_needs);
  keys.insert(cache_.pins().held().begin(), cache_.pins().held().end());
  for (const auto& [key, tokens] : keys) {
    pages = sum(pages, segment_pages(profile_, pages_.shape(), tokens));
  }
  return pages;
}

bool Admission::fits(const SequenceRecord& next, std::span<const SequenceId> without) const {
  if (sequences_.answers() - static_cast<int>(without.size()) >= max_sequences_) return false;
  return covers(pages_.total_pages(), demand(&next, without));
}

bool Admission::is_over_quota(const SequenceRecord& next) const {
  const std::size_t quota_bytes = next.spec().quota_bytes;
  if (quota_bytes == 0) return false;
  PageCounts pages = next.request->needs;
  bool has_prompt = !next.group;
  bool is_alone = true;
  for (const SequenceRecord* record : sequences_.running()) {
    if (record->builds || record->spec().salt != next.spec().salt) continue;
    pages = sum(pages, record->reserved);
    has_prompt = has_prompt || record->group == next.group;
    is_alone = false;
  }
  if (!has_prompt) pages = sum(pages, next.request->shared_prompt_needs);
  return !is_alone && pages_.shape().bytes(pages) > quota_bytes;
}

std::optional<std::vector<SequenceId>> Admission::who_gives_way(const SequenceRecord& next) const {
  std::vector<SequenceId> give_way;
  if (fits(next, give_way)) return give_way;
  if (sequences_.answers() == 0) {
    while (!fits(next, give_way)) {
      if (!cache_.pins().unpin_one()) return std::nullopt;
    }
    return give_way;
  }
  std::vector<const SequenceRecord*> less;
  for (const SequenceRecord* record : sequences_.running()) {
    const bool is_less = record->spec().priority < next.spec().priority;
    if (record->is_answer() && is_less) less.push_back(record);
  }
  std::sort(less.begin(), less.end(), [](const SequenceRecord* a, const SequenceRecord* b) {
    const int first = a->spec().priority, second = b->spec().priority;
    return first != second ? first < second : a->id > b->id;
  });
  for (const SequenceRecord* record : less) {
    give_way.push_back(record->id);
    if (fits(next, give_way)) return give_way;
  }
  return std::nullopt;
}

}  // namespace redknot
