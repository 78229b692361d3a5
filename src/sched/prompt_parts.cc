// SPDX-License-Identifier: Apache-2.0
#include "sched/prompt_parts.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/sha256.h"
#include "kv/sequence_kv.h"

namespace redknot {
namespace {

void add_tokens(Sha256& sha, std::span<const TokenId> tokens) {
  sha.add_field(
      std::string_view(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes()));
}

// `context`: the key of what the segment is computed behind, as a segment; nothing for nothing.
SegmentKey key_of(std::string_view salt, const std::optional<SegmentKey>& context,
                  std::span<const TokenId> tokens) {
  Sha256 sha;
  sha.add_field(salt);
  sha.add_field(
      context ? std::string_view(reinterpret_cast<const char*>(context->data()), context->size())
              : std::string_view());
  add_tokens(sha, tokens);
  return std::move(sha).finish();
}

// From the end on: separators have no part in questions.
void find_questions(const Prompt& prompt, std::vector<SequencePart>& parts) {
  PositionRange question;
  for (std::size_t i = parts.size(); i-- > 0;) {
    SequencePart& part = parts[i];
    if (part.segment) {
      part.question = question;
      continue;
    }
    const bool separates = i + 1 < parts.size() && part.tokens() < kSeparatorTokens;
    if (separates) continue;
    const auto end =
        std::upper_bound(prompt.text_ends.begin(), prompt.text_ends.end(), part.positions.begin);
    const int piece_end = end == prompt.text_ends.end() ? part.positions.end : *end;
    question = {part.positions.begin, std::min({piece_end, part.positions.end,
                                                part.positions.begin + kMostQuestionTokens})};
  }
}

}  // namespace

std::vector<SequencePart> parts_of(const Prompt& prompt, std::string_view salt) {
  std::vector<SequencePart> parts;
  const int end = static_cast<int>(prompt.tokens.size());
  const std::span<const TokenId> tokens(prompt.tokens);
  std::optional<SegmentKey> context;
  int next = 0;
  const auto add_own = [&](int part_end) {
    if (part_end > next) parts.push_back({.positions = {next, part_end}});
    next = part_end;
  };
  for (const PositionRange& range : prompt.reusable) {
    REDKNOT_CHECK(range.begin >= next && range.begin < range.end && range.end <= end);
    REDKNOT_CHECK(range.begin >= prompt.context_tokens);
    if (range.end == end) break;
    if (parts.empty() && prompt.context_tokens > 0) {
      next = prompt.context_tokens;
      context = key_of(salt, {}, tokens.first(static_cast<std::size_t>(next)));
      parts.push_back({.positions = {0, next}, .segment = context});
    }
    add_own(range.begin);
    const auto own = tokens.subspan(static_cast<std::size_t>(range.begin),
                                    static_cast<std::size_t>(range.end - range.begin));
    parts.push_back({.positions = range, .segment = key_of(salt, context, own)});
    next = range.end;
  }
  add_own(end);
  find_questions(prompt, parts);
  return parts;
}

std::size_t end_of_group(std::span<const SequencePart> parts, std::size_t first) {
  std::size_t end = first;
  while (parts[end].segment || parts[end].positions.begin < parts[first].question.begin) ++end;
  return end;
}

std::string segment_id(std::span<const TokenId> tokens) {
  Sha256 sha;
  sha.add(std::as_bytes(tokens));
  constexpr std::size_t kDigits = 32;
  return hex(std::move(sha).finish()).substr(0, kDigits);
}

}  // namespace redknot
