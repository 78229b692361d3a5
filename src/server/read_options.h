// SPDX-License-Identifier: Apache-2.0
// The fields that several kinds of requests have in common.
//
// Defaults are the context's: OpenAI's, or what the model's files say instead.
#pragma once

#include <string>
#include <vector>

#include "chat/chat_request.h"
#include "server/json_fields.h"
#include "server/read_context.h"

namespace redknot::server {

inline constexpr std::size_t kMaxStops = 16;
inline constexpr int kMaxAnswers = 128;
inline constexpr int kMaxTopLogprobs = 20;

// temperature, top_p, top_k, min_p, repetition_penalty, frequency_penalty, presence_penalty,
// logit_bias, seed.
Sampling read_sampling(const Value& body, const ReadContext& context);

// model, n, stream, stream_options.include_usage, stop, ignore_eos, and sampling; also redknot and
// priority.
chat::AnswerOptions read_answer_options(const Value& body, const ReadContext& context);

// A string, or at most kMaxStops of them, none of them empty.
std::vector<std::string> read_stops(const Value& value);

// `redknot: {reuse, recovery, ratio, canonical_context, priority}`
void read_reuse(const Value& value, const ReadContext& context, Request& request);

// Preloaded segments are reused, unless the request says otherwise; they were computed behind
// nothing.
void settle_reuse(const Value& body, bool has_segments, Request& request);

}  // namespace redknot::server
