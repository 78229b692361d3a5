// SPDX-License-Identifier: Apache-2.0
#include "server/api_error.h"

#include "server/json_fields.h"

namespace redknot::server {
namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

const char* anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

}  // namespace

ApiError api_error(const chat::RequestError& error) {
  return {.status = 400, .message = error.message, .param = error.param};
}

ApiError api_error(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kContextFull:
      return {.status = 400, .message = error.message()};
    case ErrorCode::kNotFound:
      return {.status = 404, .message = error.message()};
    case ErrorCode::kUnavailable:
      return {.status = 429, .message = error.message(), .type = "rate_limit_error"};
    case ErrorCode::kCancelled:
      return {.status = 503, .message = error.message(), .type = "server_error"};
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
      break;
  }
  return {.status = 500, .message = error.message(), .type = "server_error"};
}

ApiError ending_error() {
  return {.status = 503,
          .message = "the server is ending",
          .code = "server_is_ending",
          .type = "server_error"};
}

std::string openai_error_body(const ApiError& error) {
  return dump_json({{"error",
                     {{"message", error.message},
                      {"type", error.type},
                      {"param", text_or_null(error.param)},
                      {"code", text_or_null(error.code)}}}});
}

std::string anthropic_error_body(const ApiError& error, const std::string& request_id) {
  return dump_json({{"type", "error"},
                    {"error", {{"type", anthropic_type(error.status)}, {"message", error.message}}},
                    {"request_id", request_id}});
}

}  // namespace redknot::server
