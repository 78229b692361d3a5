// SPDX-License-Identifier: Apache-2.0
#include "heads/head_profile.h"

#include <cstddef>

#include "base/check.h"

namespace redknot {

std::string_view name(HeadClass head_class) {
  constexpr std::array<std::string_view, kHeadClasses.size()> kNames = {"global", "local",
                                                                        "retrieval"};
  return kNames[static_cast<std::size_t>(head_class)];
}

HeadProfile uniform_profile(int layers, int kv_heads, HeadPolicy policy) {
  REDKNOT_CHECK(layers >= 0 && kv_heads >= 0);
  const std::size_t heads = static_cast<std::size_t>(layers) * static_cast<std::size_t>(kv_heads);
  return {
      .layers = layers, .kv_heads = kv_heads, .policies = std::vector<HeadPolicy>(heads, policy)};
}

}  // namespace redknot
