// SPDX-License-Identifier: Apache-2.0
#include "server/read_tokenize.h"

#include <utility>

#include "server/read_chat.h"
#include "server/read_completion.h"

namespace redknot::server {

Read<TokenizeRequest> read_tokenize(std::string_view text, const ReadContext& context) {
  const Read<Json> json = parse_json(text);
  if (!json.ok()) return json.error();
  if (!(*json).is_object()) return RequestError{.message = "body is not a JSON object"};
  Refusal refusal;
  const Value body(&*json, "", refusal);
  TokenizeRequest request;
  request.model = body["model"].text();
  if (body["messages"]) {
    auto chat = read_parsed_chat(*json, context);
    if (!chat.ok()) return chat.error();
    request.chat = std::move(*chat);
  } else {
    request.text = (body["content"] ? body["content"] : body["prompt"].required()).text();
  }
  // llama.cpp's field for the text goes with llama.cpp's default.
  const bool by_default = !body["content"];
  request.add_special = body["add_special_tokens"].flag(body["add_special"].flag(by_default));
  request.parse_special = body["parse_special"].flag(true);
  request.with_texts = body["return_token_strs"].flag(body["with_pieces"].flag(false));
  if (refusal.first()) return *refusal.first();
  return request;
}

Read<DetokenizeRequest> read_detokenize(std::string_view text) {
  const Read<Json> json = parse_json(text);
  if (!json.ok()) return json.error();
  if (!(*json).is_object()) return RequestError{.message = "body is not a JSON object"};
  Refusal refusal;
  const Value body(&*json, "", refusal);
  DetokenizeRequest request;
  request.model = body["model"].text();
  request.tokens = read_tokens(body["tokens"].required());
  if (refusal.first()) return *refusal.first();
  return request;
}

}  // namespace redknot::server
