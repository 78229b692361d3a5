// SPDX-License-Identifier: Apache-2.0
// Answers that the HTTP layer gives by itself, in the shape of OpenAI's errors.
#pragma once

#include <string>
#include <string_view>

#include "http/exchange.h"

namespace redknot::http {

// Why a request never reaches a handler.
struct Refusal {
  int status = 400;
  std::string message{};
  std::string code{};  // for programs, "header_too_large"
};

// {"error":{"message","type","param":null,"code"}}
Reply error_reply(const Refusal& refusal);

// A JSON string with its quotes. Bytes that are not ASCII become '?': what is quoted here may be
// from outside and need not be UTF-8.
std::string quoted_json(std::string_view text);

}  // namespace redknot::http
