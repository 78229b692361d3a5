// SPDX-License-Identifier: Apache-2.0
#include "sched/composition.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/sha256.h"
#include "heads/visibility.h"
#include "sched/recovery_strategy.h"

namespace redknot {
namespace {

void add_number(Sha256& sha, double number) {
  const auto bits = std::bit_cast<std::uint64_t>(number);
  sha.add(std::as_bytes(std::span(&bits, 1)));
}

void add_recovery(Sha256& sha, const RecoveryOptions& recovery) {
  // A field more is an error here. Options of requests have no gaps; those of an empty optional and
  // of 0 mean the same.
  const auto& [policy, ratio, least_tokens, boundary_tokens, elastic] = recovery;
  const auto& [dense_until, mass, deep_start, mass_deep, recent_tokens] = elastic;
  hash_numbers(sha, {static_cast<int>(policy), least_tokens.value_or(0), boundary_tokens,
                     recent_tokens, dense_until, deep_start});
  for (const double number : {ratio.value_or(0.0), mass, mass_deep}) add_number(sha, number);
}

// The segments that stand together from `first` on, the text between and behind them that recovery
// looks with. False if that is more than there is.
bool add_group(Sha256& sha, const ComposedTokens& composed, std::size_t first) {
  const std::span<const SequencePart> parts = composed.parts;
  const PositionRange question = parts[first].question;
  if (question.end > static_cast<int>(composed.tokens.size())) return false;
  hash_numbers(sha, {question.begin, question.end});
  for (std::size_t i = first; i < parts.size(); ++i) {
    const SequencePart& part = parts[i];
    if (!part.segment && part.positions.begin == question.begin) {
      const int begin = parts[first].positions.begin;
      hash_tokens(sha, composed.tokens.subspan(static_cast<std::size_t>(begin),
                                               static_cast<std::size_t>(question.end - begin)));
      return true;
    }
    hash_numbers(sha, {part.positions.begin, part.positions.end, part.segment ? 1 : 0});
    if (part.segment) sha.add(*part.segment);
  }
  return false;
}

// What decides what was recovered of a segment. Of a group its first segment says all, and the keys
// of the others follow from its key. Nothing if it cannot be said.
std::optional<Sha256Digest> composition_of(const ComposedTokens& composed, std::size_t index,
                                           PositionRange question_before) {
  Sha256 sha;
  add_recovery(sha, composed.recovery);
  const bool looks = strategy_of(composed.recovery.policy).looks_with_question();
  const bool is_first = composed.parts[index].question != question_before;
  if (looks && is_first && !add_group(sha, composed, index)) return std::nullopt;
  return std::move(sha).finish();
}

// Whether pages of the segment at `index` are chosen together with those of one behind it.
bool is_bound(const ComposedTokens& composed, std::size_t index) {
  const std::span<const SequencePart> behind = composed.parts.subspan(index + 1);
  const PositionRange question = composed.parts[index].question;
  return strategy_of(composed.recovery.policy).looks_with_question() &&
         std::any_of(behind.begin(), behind.end(), [&question](const SequencePart& part) {
           return part.segment && part.question == question;
         });
}

}  // namespace

Chain chain_of(const ComposedTokens& composed, int page_tokens) {
  Chain chain{.tenant = composed.salt};
  const int length = static_cast<int>(composed.tokens.size());
  const auto add_block = [&](int begin, int end) -> ChainBlock& {
    return chain.blocks.emplace_back(
        ChainBlock{.positions = {begin, end},
                   .tokens = composed.tokens.subspan(static_cast<std::size_t>(begin),
                                                     static_cast<std::size_t>(end - begin))});
  };
  PositionRange question;  // of the latest segment
  bool bound = false;      // that one to another behind it
  for (std::size_t i = 0; i < composed.parts.size(); ++i) {
    const SequencePart& part = composed.parts[i];
    const bool is_last = i + 1 == composed.parts.size();
    if (part.segment) {
      if (part.positions.end > length) return chain;
      const std::optional<Sha256Digest> how = composition_of(composed, i, question);
      if (!how) return chain;
      ChainBlock& block = add_block(part.positions.begin, part.positions.end);
      block.segment = part.segment;
      block.composition = *how;
      block.is_bound = bound = is_bound(composed, i);
      question = part.question;
      continue;
    }
    // The last part goes on to the end of the sequence.
    const int end = is_last ? length : std::min(part.positions.end, length);
    for (int begin = part.positions.begin; begin < end; begin += page_tokens) {
      add_block(begin, std::min(begin + page_tokens, end)).is_bound = bound;
    }
  }
  return chain;
}

}  // namespace redknot
