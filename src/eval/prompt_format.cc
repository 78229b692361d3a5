// SPDX-License-Identifier: Apache-2.0
#include "eval/prompt_format.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace redknot::eval {
namespace {

// Of corpus::prompt_text and answer_text.
constexpr std::array<std::string_view, 5> kMarks = {"<|system|>", "<|document|>", "<|user|>",
                                                    "<|assistant|>", "<|end|>"};

std::string plain_prompt(const corpus::Sample& sample, std::size_t turn) {
  REDKNOT_CHECK(turn < sample.turns.size());
  std::string out;
  if (!sample.system.empty()) out += sample.system + "\n\n";
  for (const std::string& document : sample.documents) out += "Document: " + document + "\n\n";
  for (std::size_t i = 0; i < turn; ++i) {
    out += "Question: " + sample.turns[i].question + "\nAnswer: " + sample.turns[i].answer + "\n\n";
  }
  return out + "Question: " + sample.turns[turn].question + "\nAnswer:";
}

}  // namespace

PromptFormat prompt_format_for(const Tokenizer& tokenizer) {
  const bool all = std::all_of(kMarks.begin(), kMarks.end(), [&](std::string_view mark) {
    const auto tokens = tokenizer.tokenize(mark, /*add_special=*/false, /*parse_special=*/true);
    return tokens.ok() && tokens->size() == 1;
  });
  return all ? PromptFormat::kMarks : PromptFormat::kPlain;
}

std::string write_prompt(PromptFormat format, const corpus::Sample& sample, std::size_t turn) {
  return format == PromptFormat::kMarks ? corpus::prompt_text(sample, turn)
                                        : plain_prompt(sample, turn);
}

std::string with_answer(PromptFormat format, const std::string& prompt, const std::string& answer) {
  return prompt + (format == PromptFormat::kMarks
                       ? corpus::answer_text({.question = {}, .answer = answer})
                       : " " + answer + "\n");
}

Result<int> count_prompt_tokens(PromptFormat format, const Tokenizer& tokenizer,
                                const std::string& prompt) {
  REDKNOT_TRY(const std::vector<int> tokens,
              tokenizer.tokenize(prompt, /*add_special=*/true, format == PromptFormat::kMarks));
  return static_cast<int>(tokens.size());
}

Request make_request(PromptFormat format, std::string prompt) {
  Request request;
  request.prompt = {
      {.text = std::move(prompt), .tokens = {}, .parse_special = format == PromptFormat::kMarks}};
  request.max_tokens = kAnswerTokens;
  request.sampling.temperature = 0;
  if (format == PromptFormat::kPlain) request.stop = {"\n"};
  return request;
}

}  // namespace redknot::eval
