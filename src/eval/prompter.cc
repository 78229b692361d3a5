// SPDX-License-Identifier: Apache-2.0
#include "eval/prompter.h"

#include <array>
#include <cstddef>
#include <utility>

#include "base/error.h"
#include "chat/chat_prompt.h"
#include "eval/prompt_format.h"

namespace redknot::eval {
namespace {

PromptFormat format_of(PromptStyle style) {
  return style == PromptStyle::kMarks ? PromptFormat::kMarks : PromptFormat::kPlain;
}

chat::ChatMessage message(const char* role, std::string text) {
  chat::ChatMessage out;
  out.fields["role"] = role;
  out.content.push_back({.text = std::move(text)});
  return out;
}

chat::ChatRequest chat_request(const corpus::Sample& sample, bool system_message) {
  chat::ChatRequest request;
  if (system_message && !sample.system.empty()) {
    request.messages.push_back(message("system", sample.system));
  }
  for (const corpus::Turn& turn : sample.turns) {
    request.messages.push_back(message("user", turn.question));
    request.messages.push_back(message("assistant", turn.answer));
  }
  request.messages.pop_back();  // the answer is to come
  if (!system_message) {
    auto& content = request.messages.back().content;
    content.insert(content.begin(), {.text = sample.system + "\n"});
  }
  for (const std::string& document : sample.documents) {
    request.documents.push_back({.text = {.text = document, .reusable = true}});
  }
  return request;
}

// The answer as it follows the prompt.
std::string answer_text(PromptStyle style, const std::string& answer) {
  return style == PromptStyle::kChat ? answer : " " + answer;
}

std::string_view end_text(PromptStyle style) {
  return style == PromptStyle::kMarks ? "<|end|>" : style == PromptStyle::kPlain ? "\n" : "";
}

}  // namespace

std::string_view name_of(PromptStyle style) {
  constexpr std::array<std::string_view, 3> kNames = {"marked", "plain", "chat"};
  return kNames[static_cast<std::size_t>(style)];
}

Prompter::Prompter(PromptStyle style, const Tokenizer& tokenizer)
    : style_(style), tokenizer_(tokenizer) {}

Result<Prompter> Prompter::open(const ModelInfo& model, const Tokenizer& tokenizer, bool raw) {
  const bool marks = prompt_format_for(tokenizer) == PromptFormat::kMarks;
  Prompter out(marks ? PromptStyle::kMarks : PromptStyle::kPlain, tokenizer);
  if (model.add_bos && model.bos >= 0) out.bos_ = {model.bos};
  if (marks || raw || model.chat_template.empty()) return out;
  auto parsed = ChatTemplate::parse(model.chat_template);
  if (!parsed.ok()) return parsed.error().within("read the model's chat template");
  out.style_ = PromptStyle::kChat;
  out.chat_ = std::make_shared<const chat::ChatModel>(
      chat::ChatModel{.chat_template = std::move(*parsed),
                      .specials = chat::SpecialTexts(chat::special_texts(tokenizer)),
                      .bos_text = model.bos_text,
                      .eos_text = model.eos_text});
  out.bos_text_ = model.bos_text;
  return out;
}

Result<std::vector<PromptPart>> Prompter::chat_parts(const corpus::Sample& sample,
                                                     bool system_message) const {
  constexpr std::int64_t kNoTime = -1;  // equal questions have equal prompts, whatever the day
  auto prompt = chat::chat_prompt(chat_request(sample, system_message), *chat_, kNoTime);
  if (!prompt.ok()) return invalid(prompt.error().param, ": ", prompt.error().message);
  return std::move(prompt->parts);
}

Result<std::vector<PromptPart>> Prompter::parts(const corpus::Sample& sample) const {
  if (style_ != PromptStyle::kChat) {
    const PromptFormat format = format_of(style_);
    return make_request(format, write_pieces(format, sample, sample.turns.size() - 1)).prompt;
  }
  auto parts = chat_parts(sample, /*system_message=*/true);
  // Some templates know no system.
  if (!parts.ok() && !sample.system.empty()) return chat_parts(sample, /*system_message=*/false);
  return parts;
}

Result<Question> Prompter::question(const corpus::Task& task) const {
  Question out{.task = task};
  REDKNOT_TRY(const std::vector<PromptPart> written, parts(task.sample));
  for (const PromptPart& part : written) {
    REDKNOT_TRY(std::vector<int> tokens,
                tokenizer_.tokenize(part.text, /*add_special=*/false, part.parse_special));
    const bool first = out.prompt.empty();
    const bool has_bos = !bos_text_.empty() && part.parse_special &&
                         part.text.compare(0, bos_text_.size(), bos_text_) == 0;
    if (first && !has_bos) tokens.insert(tokens.begin(), bos_.begin(), bos_.end());
    if (tokens.empty()) continue;
    out.prompt_tokens += static_cast<int>(tokens.size());
    out.prompt_text += part.text;
    out.prompt.push_back(token_part(std::move(tokens)));
    out.prompt.back().reusable = part.reusable;
  }
  const std::string& gold = task.sample.turns.back().answer;
  if (!gold.empty()) {
    REDKNOT_TRY(out.gold, tokenizer_.tokenize(answer_text(style_, gold),
                                              /*add_special=*/false, /*parse_special=*/false));
    REDKNOT_TRY(out.gold_end, tokenizer_.tokenize(end_text(style_), /*add_special=*/false,
                                                  style_ == PromptStyle::kMarks));
  }
  // A constrained answer ends by itself.
  if (style_ == PromptStyle::kPlain && task.schema.empty()) out.stop = {"\n"};
  if (!task.schema.empty()) {
    REDKNOT_TRY(out.constraint, Constraint::json_schema(task.schema));
  }
  return out;
}

// With the tokenizer of the default model prompts exceed document_tokens by 80 at most. Other
// tokenizers cut words finer, and the other styles label every document.
int Prompter::room_tokens(int document_tokens) const {
  return style_ == PromptStyle::kMarks ? 256 : 512 + document_tokens / 4;
}

int count_tokens(const Tokenizer& tokenizer, std::string_view text) {
  const auto tokens = tokenizer.tokenize(text, /*add_special=*/false, /*parse_special=*/false);
  return static_cast<int>(tokens.ok() ? tokens->size() : text.size());
}

}  // namespace redknot::eval
