// SPDX-License-Identifier: Apache-2.0
// Head maps in the JSON format of the RedKnot paper's published code: for each layer and KV head a
// class and a window, and nothing about what they cost.
#pragma once

#include <string_view>

#include "heads/head_profile.h"
#include "redknot/result.h"

namespace redknot {

// Reads "num_layers", "num_kv_heads" (else the length of a row), "kv_head_classification",
// "kv_head_max_distance" and, if there, "kv_head_sink_size" (else 4), [layers][KV heads] each, and
// "dense_prefix_layers" (else 0). Classes: local (also local_full, limited, streaming,
// sink_dominant) keeps sink and window; global, retrieval and dense keep everything, and so do the
// dense_prefix_layers first layers. Pages are f16. kInvalidArgument naming the field, also for a
// local head without a window.
Result<HeadProfile> parse_reference_map(std::string_view json);

}  // namespace redknot
