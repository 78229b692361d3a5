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

// How the parts of a prompt are written.
struct Wording {
  const char *system, *after_system, *document, *after_document, *question, *answer;
};

constexpr Wording wording(PromptFormat format) {
  if (format == PromptFormat::kMarks) {
    return {"<|system|> ", "<|end|>", "<|document|> ", "", "<|user|> ", "<|assistant|>"};
  }
  return {"", "\n\n", "Document: ", "\n\n", "Question: ", "\nAnswer:"};
}

std::string answered(PromptFormat format, const corpus::Turn& turn) {
  return format == PromptFormat::kMarks ? corpus::answer_text(turn) : " " + turn.answer + "\n\n";
}

}  // namespace

PromptFormat prompt_format_for(const Tokenizer& tokenizer) {
  const bool all = std::all_of(kMarks.begin(), kMarks.end(), [&](std::string_view mark) {
    const auto tokens = tokenizer.tokenize(mark, /*add_special=*/false, /*parse_special=*/true);
    return tokens.ok() && tokens->size() == 1;
  });
  return all ? PromptFormat::kMarks : PromptFormat::kPlain;
}

std::vector<PromptPiece> write_pieces(PromptFormat format, const corpus::Sample& sample,
                                      std::size_t turn) {
  REDKNOT_CHECK(turn < sample.turns.size());
  const Wording words = wording(format);
  std::vector<PromptPiece> pieces;
  if (!sample.system.empty()) {
    pieces.push_back({.text = words.system + sample.system + words.after_system});
  }
  for (const std::string& document : sample.documents) {
    pieces.push_back(
        {.text = words.document + document + words.after_document, .is_document = true});
  }
  std::string questions;
  for (std::size_t i = 0; i <= turn; ++i) {
    if (i > 0) questions += answered(format, sample.turns[i - 1]);
    questions += words.question + sample.turns[i].question + words.answer;
  }
  pieces.push_back({.text = std::move(questions)});
  return pieces;
}

std::string write_prompt(PromptFormat format, const corpus::Sample& sample, std::size_t turn) {
  std::string out;
  for (const PromptPiece& piece : write_pieces(format, sample, turn)) out += piece.text;
  return out;
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

Request make_request(PromptFormat format, std::vector<PromptPiece> pieces) {
  Request request;
  for (PromptPiece& piece : pieces) {
    request.prompt.push_back({.text = std::move(piece.text),
                              .tokens = {},
                              .parse_special = format == PromptFormat::kMarks,
                              .reusable = piece.is_document});
  }
  request.max_tokens = kAnswerTokens;
  request.sampling.temperature = 0;
  if (format == PromptFormat::kPlain) request.stop = {"\n"};
  return request;
}

Request make_request(PromptFormat format, std::string prompt) {
  std::vector<PromptPiece> pieces(1);
  pieces.front().text = std::move(prompt);
  return make_request(format, std::move(pieces));
}

}  // namespace redknot::eval
