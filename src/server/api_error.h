// SPDX-License-Identifier: Apache-2.0
// What a client is told when its request cannot be answered.
#pragma once

#include <string>

#include "chat/fields.h"
#include "redknot/result.h"

namespace redknot::server {

struct ApiError {
  int status = 400;
  std::string message{};
  std::string param{};                         // the field, "messages[2].content"; or empty
  std::string code{};                          // "context_length_exceeded"; or empty
  std::string type = "invalid_request_error";  // OpenAI's words
};

// What a route makes of a request, or what its client is told instead.
template <typename T>
using ApiResult = chat::Read<T, ApiError>;

// Of a request that is refused: 400.
ApiError api_error(const chat::RequestError& error);
// Of an error of the engine: 400 for what the request can mend, 404, 429 for kUnavailable, 503 for
// kCancelled (the server is ending), 500 for the rest.
ApiError api_error(const Error& error);

// To all that want work done once the server is ending.
ApiError ending_error();

// {"error": {"message", "type", "param", "code"}}
std::string openai_error_body(const ApiError& error);
// {"type": "error", "error": {"type", "message"}, "request_id"}
std::string anthropic_error_body(const ApiError& error, const std::string& request_id);

}  // namespace redknot::server
