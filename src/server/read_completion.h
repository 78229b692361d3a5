// SPDX-License-Identifier: Apache-2.0
// POST /v1/completions: JSON to a CompletionRequest.
//
// A prompt is a string, a list of token ids, or a list of either. Text of special tokens in it
// stands for them. `best_of` other than n, `suffix`, and echo with logprobs are refused by name.
#pragma once

#include <string_view>
#include <vector>

#include "server/completion_request.h"
#include "server/json_fields.h"
#include "server/read_context.h"

namespace redknot::server {

inline constexpr std::size_t kMaxPrompts = 64;

Read<CompletionRequest> read_completion(std::string_view text, const ReadContext& context);

// Token ids, each at least 0.
std::vector<int> read_tokens(const Value& value);

}  // namespace redknot::server
