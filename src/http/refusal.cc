// SPDX-License-Identifier: Apache-2.0
#include "http/refusal.h"

#include "base/error.h"

namespace redknot::http {

namespace {

std::string_view type_of(int status) {
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

}  // namespace

std::string quoted_json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= ' ' && c < '\x7f' ? c : '?';
  }
  out += '"';
  return out;
}

Reply error_reply(const Refusal& refusal) {
  Reply reply;
  reply.status = refusal.status;
  reply.body = concat("{\"error\":{\"message\":", quoted_json(refusal.message), ",\"type\":\"",
                      type_of(refusal.status),
                      "\",\"param\":null,\"code\":", quoted_json(refusal.code), "}}");
  if (refusal.status == 503 || refusal.status == 429) {
    reply.headers.emplace_back("Retry-After", "1");
  }
  return reply;
}

}  // namespace redknot::http
