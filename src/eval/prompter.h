// SPDX-License-Identifier: Apache-2.0
// How tasks are put to one model.
//
// A model whose tokenizer has the marks of the corpus is asked as it was trained (prompt_format.h).
// One with a chat template is told what to do as the system, with documents where its template has
// them or in front of the question, each a part of its own. All others get plain text. Parts are
// tokenized one by one, so that a document has the same tokens wherever it stands.
//
// Owned by whoever asks; borrows the tokenizer, which must outlive it. Const methods may be called
// from any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/task.h"
#include "eval/question.h"
#include "redknot/redknot.h"

namespace redknot::chat {
struct ChatModel;
}

namespace redknot::eval {

// What a verb says about the prompts it writes.
enum class PromptStyle { kMarks, kPlain, kChat };
std::string_view name_of(PromptStyle style);  // "marked", "plain", "chat"

// A value; copies share the chat template.
class Prompter {
 public:
  // `raw`: plain text even if the model has a chat template. The errors of ChatTemplate::parse.
  static Result<Prompter> open(const ModelInfo& model, const Tokenizer& tokenizer, bool raw);
  // In this style, which is not kChat.
  Prompter(PromptStyle style, const Tokenizer& tokenizer);

  // kInvalidArgument if the tokenizer cannot say it or the template refuses it; the errors of
  // Constraint::json_schema.
  Result<Question> question(const corpus::Task& task) const;

  // What a sequence needs beyond its documents: system text, question, answer, marks.
  int room_tokens(int document_tokens) const;

  PromptStyle style() const { return style_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  Result<std::vector<PromptPart>> parts(const corpus::Sample& sample) const;
  Result<std::vector<PromptPart>> chat_parts(const corpus::Sample& sample,
                                             bool system_message) const;

  PromptStyle style_;
  const Tokenizer& tokenizer_;
  std::vector<int> bos_{};  // in front of every prompt that does not bring it along
  std::string bos_text_{};
  std::shared_ptr<const chat::ChatModel> chat_{};
};

// For a generator, which cannot take an error; 0 at least.
int count_tokens(const Tokenizer& tokenizer, std::string_view text);

}  // namespace redknot::eval
