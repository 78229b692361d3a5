// SPDX-License-Identifier: Apache-2.0
// Per-(layer, KV head) policy of one model: how far a head looks and in what format it keeps its
// keys and values. A plain value; which positions follow from a policy is visibility.h's to say.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "redknot/kv_format.h"

namespace redknot {

enum class HeadClass : std::uint8_t {
  kGlobal,     // sees {0..p}
  kLocal,      // sees {0..sink-1} and {p-window+1..p}
  kRetrieval,  // sees the same and the pages that its query selects; keeps everything
};
inline constexpr std::array kHeadClasses = {HeadClass::kGlobal, HeadClass::kLocal,
                                            HeadClass::kRetrieval};
std::string_view name(HeadClass head_class);  // "global", "local", "retrieval"

struct HeadPolicy {
  HeadClass head_class = HeadClass::kGlobal;
  int sink_tokens = 0;    // not of global heads; >= 0
  int window_tokens = 0;  // not of global heads; >= 1: a token always sees itself
  KvFormat kv_format = KvFormat::kF16;
  int top_pages = 0;  // retrieval only; >= 1: pages that a query selects
  // Whether its keys and values depend on what stands before a segment, so that it takes what
  // recovered tokens give it (sched/recovery_strategy.h).
  bool context_bound = true;
  bool operator==(const HeadPolicy&) const = default;
};

struct HeadProfile {
  int layers = 0;
  int kv_heads = 0;
  std::vector<HeadPolicy> policies;  // [layers, kv_heads]

  const HeadPolicy& at(int layer, int kv_head) const {
    return policies[static_cast<std::size_t>(layer) * kv_heads + kv_head];
  }
  bool operator==(const HeadProfile&) const = default;
};

// The same policy for every head.
HeadProfile uniform_profile(int layers, int kv_heads, HeadPolicy policy);

}  // namespace redknot
