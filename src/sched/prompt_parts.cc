// SPDX-License-Identifier: Apache-2.0
#include "sched/prompt_parts.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/sha256.h"

namespace redknot {
namespace {

int pages_for(int tokens, int page_tokens) { return (tokens + page_tokens - 1) / page_tokens; }

int saturated(std::int64_t count) {
  return static_cast<int>(std::min<std::int64_t>(count, std::numeric_limits<int>::max()));
}

void add_tokens(Sha256& sha, std::span<const TokenId> tokens) {
  sha.add_field(
      std::string_view(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes()));
}

SegmentKey key_of(std::string_view salt, std::span<const TokenId> context,
                  std::span<const TokenId> tokens) {
  Sha256 sha;
  sha.add_field(salt);
  add_tokens(sha, context);
  add_tokens(sha, tokens);
  return std::move(sha).finish();
}

}  // namespace

std::vector<SequencePart> parts_of(const Prompt& prompt, std::string_view salt) {
  std::vector<SequencePart> parts;
  const int end = static_cast<int>(prompt.tokens.size());
  const std::span<const TokenId> tokens(prompt.tokens);
  const auto context = tokens.first(static_cast<std::size_t>(prompt.context_tokens));
  int next = 0;
  for (const PositionRange& range : prompt.reusable) {
    REDKNOT_CHECK(range.begin >= next && range.begin < range.end && range.end <= end);
    if (range.end == end) break;
    if (range.begin > next) parts.push_back({.positions = {next, range.begin}, .segment = {}});
    const auto own = tokens.subspan(static_cast<std::size_t>(range.begin),
                                    static_cast<std::size_t>(range.end - range.begin));
    parts.push_back({.positions = range, .segment = key_of(salt, context, own)});
    next = range.end;
  }
  if (next < end) parts.push_back({.positions = {next, end}, .segment = {}});
  return parts;
}

std::array<int, kKvFormatCount> own_pages(const HeadProfile& profile, const PageShape& shape,
                                          std::span<const SequencePart> parts, int max_tokens,
                                          int chunk_tokens, const Recovery& recovery) {
  REDKNOT_CHECK(max_tokens >= 0 && chunk_tokens >= 1);
  // Every part begins a page of its own, so that parts add up.
  std::array<int, kKvFormatCount> pages{};
  const auto add = [&](const std::array<int, kKvFormatCount>& more) {
    for (std::size_t i = 0; i < pages.size(); ++i) {
      pages[i] = saturated(std::int64_t{pages[i]} + more[i]);
    }
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int tokens = parts[i].positions.end - parts[i].positions.begin;
    if (!parts[i].segment) {
      const std::int64_t all = std::int64_t{tokens} + (i + 1 == parts.size() ? max_tokens : 0);
      add(peak_pages(profile, shape, saturated(all), chunk_tokens));
      continue;
    }
    const int recovered_pages = most_recovered_pages(recovery, tokens, shape.page_tokens);
    std::array<int, kKvFormatCount> more{};
    for (const HeadPolicy& policy : profile.policies) {
      more[index_of(policy.kv_format)] += recovered_pages;
    }
    add(more);
  }
  return pages;
}

std::array<int, kKvFormatCount> build_pages(const HeadProfile& profile, const PageShape& shape,
                                            int context_tokens, int tokens) {
  const int one =
      pages_for(context_tokens, shape.page_tokens) + pages_for(tokens, shape.page_tokens);
  std::array<int, kKvFormatCount> pages{};
  for (const HeadPolicy& policy : profile.policies) {
    int& count = pages[index_of(policy.kv_format)];
    count = saturated(std::int64_t{count} + one);
  }
  return pages;
}

}  // namespace redknot
