// SPDX-License-Identifier: Apache-2.0
// Which tokens of reused parts are computed again in their place, so that they see what stands
// before them. A request carries these settings as a plain value; the scheduler fills in the
// defaults once, when the request is made, and nothing else interprets them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace redknot {

enum class RecoveryPolicy {
  kNone,
  kBoundary,   // the first of each part (EPIC, Hu et al. 2024)
  kDeviation,  // those whose values are farthest from the reused ones behind the first layer
               // (CacheBlend, Yao et al. 2024)
  kElastic,  // all, but for heads that the profile calls local, and feed-forward networks only for
             // those that attention writes most into (the RedKnot paper)
  kKnot,     // those that the question looks at, for heads that the profile calls context-bound
};

// What options, requests and answers call the policies, in the order of the enum.
inline constexpr std::array<std::string_view, 5> kRecoveryPolicyNames = {
    "none", "boundary", "deviation", "elastic", "knot"};

constexpr std::string_view name(RecoveryPolicy policy) {
  return kRecoveryPolicyNames[static_cast<std::size_t>(policy)];
}

// The policy of a name; nothing if none is called that.
constexpr std::optional<RecoveryPolicy> recovery_policy(std::string_view name) {
  const auto at = std::find(kRecoveryPolicyNames.begin(), kRecoveryPolicyNames.end(), name);
  if (at == kRecoveryPolicyNames.end()) return std::nullopt;
  return static_cast<RecoveryPolicy>(at - kRecoveryPolicyNames.begin());
}

// Of RecoveryPolicy::kElastic. Tokens of a page compete with each other.
struct ElasticOptions {
  int dense_until = 0;  // layers before this one run all networks
  double mass = 0.5;    // share of what attention wrote whose tokens pass a network; 1: all
  int deep_start = -1;  // from this layer on mass_deep instead; -1: nowhere
  double mass_deep = 0.5;
  int recent_tokens = 128;  // last tokens of a part, which always pass
  bool operator==(const ElasticOptions&) const = default;
};

// What is computed again if nobody says how much: questions look at a few places, so of short
// parts that is a larger share.
inline constexpr double kDefaultRecoveryRatio = 0.08;
inline constexpr int kDefaultRecoveryTokens = 256;  // kKnot: at least so many
// But what is asked for as a least number is no more than this share: a prompt is dear to compute
// again whatever its length.
inline constexpr double kMostRecoveryLeast = 0.125;

struct RecoveryOptions {
  RecoveryPolicy policy = RecoveryPolicy::kKnot;
  std::optional<double> ratio{};  // of reused tokens, 0..1; not of kNone and kElastic
  // kKnot: but so many tokens, or kMostRecoveryLeast of all if that is less, unless the ratio is 0.
  // Empty: none with a ratio, kDefaultRecoveryTokens without one.
  std::optional<int> least_tokens{};
  int boundary_tokens = 0;  // kBoundary: so many of each part instead, if not 0
  ElasticOptions elastic{};
  bool operator==(const RecoveryOptions&) const = default;
};

}  // namespace redknot
