// SPDX-License-Identifier: Apache-2.0
// Status line and headers of an answer, as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace redknot::http {

struct AnswerForm {
  bool http_1_0 = false;
  bool keep_alive = true;
  std::optional<std::size_t> length{};  // of the body; without it, chunked or to the end (1.0)
  std::string_view request_id{};
};

// Ends with the empty line. Headers of the reply that this function writes itself are left out;
// control characters in values become spaces, so no value can begin another header.
std::string answer_head(const Reply& reply, const Headers& more, const AnswerForm& form);

// Statuses without a body, whatever the headers say.
bool bodiless(int status);

// One chunk of a chunked body. Requires !bytes.empty(): an empty chunk would be the last one.
std::string chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// `asked` if it is fit to be printed and to be a header, else a new one.
std::string request_id(std::string_view asked);

}  // namespace redknot::http
