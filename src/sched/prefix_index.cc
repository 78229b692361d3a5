// SPDX-License-Identifier: Apache-2.0
#include "sched/prefix_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "sched/recovery_strategy.h"

namespace redknot {
namespace {

// Where the part at `index` ends: the last one goes on to the end of the sequence.
int end_of(std::span<const SequencePart> parts, std::size_t index, int length) {
  return index + 1 == parts.size() ? length : parts[index].positions.end;
}

// Whether the segments that stand together from `first` on are the same in both, and the text
// between and behind them that recovery looks with, within the tokens that are alike.
bool same_group(std::span<const SequencePart> a, std::span<const SequencePart> b, std::size_t first,
                int common) {
  const PositionRange question = a[first].question;
  if (question != b[first].question || question.end > common) return false;
  for (std::size_t i = first; i < std::min(a.size(), b.size()); ++i) {
    if (!a[i].segment && !b[i].segment && a[i].positions.begin == question.begin &&
        b[i].positions.begin == question.begin) {
      return true;
    }
    if (a[i].segment != b[i].segment || a[i].positions != b[i].positions) return false;
  }
  return false;
}

}  // namespace

// Up to where both hold the same tokens, computed in the same way, in pages cut alike.
int PrefixIndex::common_tokens(const Prefix& prefix, const ComposedTokens& wanted) {
  if (prefix.salt != wanted.salt) return 0;
  const auto differ = std::mismatch(prefix.tokens.begin(), prefix.tokens.end(),
                                    wanted.tokens.begin(), wanted.tokens.end());
  const int common = static_cast<int>(differ.first - prefix.tokens.begin());
  const int length = prefix.kv.length(), wanted_length = static_cast<int>(wanted.tokens.size());
  for (std::size_t i = 0; i < std::min(prefix.parts.size(), wanted.parts.size()); ++i) {
    const SequencePart& a = prefix.parts[i];
    const SequencePart& b = wanted.parts[i];
    const int begin = a.positions.begin;
    const int a_end = end_of(prefix.parts, i, length);
    const int b_end = end_of(wanted.parts, i, wanted_length);
    if (begin >= common) return common;
    if (a.segment != b.segment) return begin;
    if (a.segment) {
      if (a_end != b_end || a_end > common || prefix.recovery != wanted.recovery) return begin;
      const bool looked = strategy_of(wanted.recovery.policy).looks_with_question();
      if (looked && !same_group(prefix.parts, wanted.parts, i, common)) return begin;
      continue;
    }
    if (a_end != b_end) return std::min({common, a_end, b_end});
  }
  return common;
}

std::optional<SequenceKv> PrefixIndex::find(const ComposedTokens& wanted, int most_tokens,
                                            std::uint64_t now) {
  std::vector<std::pair<int, std::list<Prefix>::iterator>> candidates;
  for (auto at = prefixes_.begin(); at != prefixes_.end(); ++at) {
    const int common = std::min(most_tokens, common_tokens(*at, wanted));
    if (common > 0) candidates.emplace_back(common, at);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [tokens, at] : candidates) {
    std::optional<SequenceKv> found = at->kv.prefix(tokens);
    if (!found) continue;
    at->used = now;
    prefixes_.splice(prefixes_.begin(), prefixes_, at);
    return found;
  }
  return std::nullopt;
}

void PrefixIndex::insert(const ComposedTokens& tokens, const SequenceKv& kv, std::uint64_t now) {
  const int length = kv.length();
  REDKNOT_CHECK(length <= static_cast<int>(tokens.tokens.size()));
  if (length == 0) return;
  // Those that this one can stand in for are not needed any more.
  std::erase_if(prefixes_, [&](const Prefix& prefix) {
    return common_tokens(prefix, tokens) == prefix.kv.length() && prefix.kv.length() <= length &&
           kv.prefix(prefix.kv.length()).has_value();
  });
  Prefix prefix{.tokens = {tokens.tokens.begin(), tokens.tokens.begin() + length},
                .parts = {},
                .recovery = tokens.recovery,
                .salt = std::string(tokens.salt),
                .kv = kv.fork(),
                .used = now};
  for (const SequencePart& part : tokens.parts) {
    if (part.positions.begin < length) prefix.parts.push_back(part);
  }
  prefixes_.push_front(std::move(prefix));
  if (prefixes_.size() > kMostPrefixes) prefixes_.pop_back();
}

std::optional<std::uint64_t> PrefixIndex::oldest_use() const {
  if (prefixes_.empty()) return std::nullopt;
  return prefixes_.back().used;
}

void PrefixIndex::drop_oldest() { prefixes_.pop_back(); }

void PrefixIndex::drop_holding(const SegmentKey& key) {
  std::erase_if(prefixes_, [&key](const Prefix& prefix) {
    return std::any_of(prefix.parts.begin(), prefix.parts.end(),
                       [&key](const SequencePart& part) { return part.segment == key; });
  });
}

std::vector<const SequenceKv*> PrefixIndex::kept() const {
  std::vector<const SequenceKv*> out;
  for (const Prefix& prefix : prefixes_) out.push_back(&prefix.kv);
  return out;
}

}  // namespace redknot
