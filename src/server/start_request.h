// SPDX-License-Identifier: Apache-2.0
// From the bytes of a request to generations that run: reading, templating, tokenizing, queueing.
//
// The routes that generate call start_chat, start_messages or start_completion on a worker, because
// long prompts take long, and pass the StartedRequest on to a ResponseSender. Everything in a
// RequestContext is borrowed for that call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/answer_parser.h"
#include "chat/chat_prompt.h"
#include "redknot/redknot.h"
#include "server/api_error.h"
#include "server/read_context.h"
#include "server/reply_writer.h"
#include "server/segment_texts.h"
#include "server/tenants.h"

namespace redknot::server {

// The model, as requests meet it.
struct ApiModel {
  Engine& engine;
  std::string name{};                     // as clients call it
  std::optional<chat::ChatModel> chat{};  // none: it has no chat template
  chat::AnswerStyle style{};              // of the template
  std::shared_ptr<const chat::MarkerSet> special{};
};

inline constexpr int kMostPriority = 1000;

// What a request that does not say gets, and what it cannot choose.
struct RequestTerms {
  int max_tokens = -1;
  Sampling sampling = openai_sampling();
  Reuse reuse = Reuse::kPrefix;
  RecoveryOptions recovery{};
  std::size_t kv_quota_bytes = 0;
  int most_priority = kMostPriority;
  double max_queue_seconds = 0;
};

// Whose request it is, and what it is read with.
struct RequestContext {
  const ApiModel& model;
  const RequestTerms& terms;
  const Tenant& tenant;
  const SegmentTexts& segment_texts;
  const std::string& request_id;
};

// Several choices to each of several prompts; the choices of a prompt follow each other.
struct StartedRequest {
  std::vector<Generation> generations{};       // by choice
  int answers = 1;                             // to each prompt
  std::vector<chat::ParserOptions> parsers{};  // one for all choices; none: answers are plain text
  bool one_call = false;                       // further calls of tools are left out
  std::vector<std::string> echoes{};           // by prompt, what its answers begin with; or empty
  bool stream = false;
  bool logprobs = false;
  std::unique_ptr<ReplyWriter> writer{};
};

ApiResult<StartedRequest> start_chat(const RequestContext& context, std::string_view body);
ApiResult<StartedRequest> start_messages(const RequestContext& context, std::string_view body);
ApiResult<StartedRequest> start_completion(const RequestContext& context, std::string_view body);

// What readers need to know.
ReadContext read_context(const RequestContext& context);
// Refuses the name of a model that is not this one; empty is any.
std::optional<ApiError> check_model(const ApiModel& model, const std::string& name);
std::int64_t unix_seconds();

}  // namespace redknot::server
