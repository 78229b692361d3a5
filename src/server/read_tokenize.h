// SPDX-License-Identifier: Apache-2.0
// POST /tokenize and /detokenize, with the fields of vLLM ("prompt", "messages",
// "add_special_tokens"; "tokens") and of llama.cpp ("content", "add_special", "parse_special").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/chat_request.h"
#include "server/json_fields.h"
#include "server/read_context.h"

namespace redknot::server {

struct TokenizeRequest {
  std::string model{};
  std::string text{};
  std::optional<chat::ChatRequest> chat{};  // instead of the text
  bool add_special = true;
  bool parse_special = true;
  bool with_texts = false;  // also the text of each token
};

struct DetokenizeRequest {
  std::string model{};
  std::vector<int> tokens{};
};

Read<TokenizeRequest> read_tokenize(std::string_view text, const ReadContext& context);
Read<DetokenizeRequest> read_detokenize(std::string_view text);

}  // namespace redknot::server
