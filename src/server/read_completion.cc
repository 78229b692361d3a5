// SPDX-License-Identifier: Apache-2.0
#include "server/read_completion.h"

#include <limits>
#include <utility>

#include "base/error.h"
#include "server/read_options.h"

namespace redknot::server {
namespace {

constexpr std::size_t kMaxPromptTokens = std::size_t{1} << 24;
constexpr int kDefaultTokens = 16;  // OpenAI's
constexpr int kMaxLogprobs = 20;

void read_prompts(const Value& prompt, std::vector<PromptPart>& out) {
  if (prompt.is_string()) {
    out.push_back(text_part(prompt.text()));
    return;
  }
  if (!prompt) return;
  if (!prompt.is_array()) {
    prompt.refuse_type("a string, a list of token ids, or a list of those");
    return;
  }
  if (prompt.size() == 0) {
    prompt.refuse("is empty");
    return;
  }
  if (prompt.at(0).json()->is_number()) {
    out.push_back(token_part(read_tokens(prompt)));
    return;
  }
  if (!prompt.expect_array(kMaxPrompts)) return;
  out.reserve(prompt.size());
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const Value one = prompt.at(i);
    if (one.is_array() && one.size() == 0) one.refuse("is empty");
    out.push_back(one.is_array() ? token_part(read_tokens(one)) : text_part(one.text()));
  }
}

}  // namespace

std::vector<int> read_tokens(const Value& value) {
  std::vector<int> out;
  if (!value.expect_array(kMaxPromptTokens)) return out;
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Json& element = (*value.json())[i];
    // Paths are made only for what is refused: a prompt may have millions of tokens.
    const bool is_plain = element.is_number_unsigned() &&
                          element.get<std::uint64_t>() <= std::numeric_limits<int>::max();
    out.push_back(is_plain ? element.get<int>()
                           : value.at(i).count(0, std::numeric_limits<int>::max(), 0));
  }
  return out;
}

Read<CompletionRequest> read_completion(std::string_view text, const ReadContext& context) {
  const Read<Json> json = parse_json(text);
  if (!json.ok()) return json.error();
  if (!(*json).is_object()) return RequestError{.message = "body is not a JSON object"};
  Refusal refusal;
  const Value body(&*json, "", refusal);
  CompletionRequest request;
  request.options = read_answer_options(body, context);
  request.options.engine.max_tokens =
      body["max_tokens"].count(0, std::numeric_limits<int>::max(), kDefaultTokens);
  read_prompts(body["prompt"].required(), request.prompts);
  request.echo = body["echo"].flag(false);
  const Value logprobs = body["logprobs"];
  request.logprobs = static_cast<bool>(logprobs);
  const int top = logprobs.count(0, kMaxLogprobs, 0);
  if (request.logprobs) request.options.engine.sampling.log_probabilities = top;
  if (request.logprobs && request.echo) {
    logprobs.refuse("those of the prompt are not at hand, so not together with echo");
  }
  if (body["suffix"] && !body["suffix"].text().empty()) body["suffix"].refuse("is not supported");
  const Value best_of = body["best_of"];
  if (best_of.count(1, kMaxAnswers, request.options.answers) != request.options.answers) {
    best_of.refuse("is not supported, but as the same as n");
  }
  if (refusal.first()) return *refusal.first();
  return request;
}

}  // namespace redknot::server
