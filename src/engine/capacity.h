// SPDX-License-Identifier: Apache-2.0
// How many sessions fit into so much KV memory: found by allocating them in a real pool, prefilled
// to a length chunk by chunk as a request is, and by computing a token for each.
#pragma once

#include <cstddef>
#include <memory>

#include "engine/engine_core.h"
#include "redknot/redknot.h"

namespace redknot {

struct Capacity {
  int sessions = 0;
  std::size_t bytes_per_session = 0;  // of pages, at the full length, at most
};

// Opens the model with options.profile, or dense in options.kv without one, and fills
// options.kv_bytes with sessions of options.context_tokens. Formats share the bytes so that the
// most sessions fit, with room for one that is being prefilled. The pages' numbers are not computed
// but for each session's last token, whose logits are checked to be finite. No session is a result,
// too. Errors of Engine::open.
Result<Capacity> measure_capacity(const EngineOptions& options);

}  // namespace redknot
