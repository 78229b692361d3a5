// SPDX-License-Identifier: Apache-2.0
// What the readers of requests have to know that no request says. A value; one request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "redknot/redknot.h"

namespace redknot::server {

// OpenAI's: temperature 1, top_p 1; top_k and min_p, which it does not have, are off.
inline Sampling openai_sampling() {
  return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .penalty_tokens = -1};
}

// What a request cannot know of itself.
struct ReadContext {
  std::uint64_t random_seed = 0;  // for requests without a seed
  // For requests that do not say.
  Sampling sampling = openai_sampling();
  Reuse reuse = Reuse::kPrefix;
  CanonicalContext canonical_context = CanonicalContext::kPrefix;
  RecoveryOptions recovery{};
  // The text of a preloaded segment; nothing if there is none of this id.
  std::function<std::optional<std::string>(const std::string& id)> find_segment{};
  mutable std::size_t segment_bytes = 0;  // that have been referred to so far
};

}  // namespace redknot::server
