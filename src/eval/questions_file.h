// SPDX-License-Identifier: Apache-2.0
// The suite "questions": a file of one JSON object a line, {"context": "...", "answer": "..."}, as
// the long-context files of llm-foundry have it. The context is the whole prompt of a user; a field
// "question", if there is one, follows it after an empty line. Other fields are ignored.
#pragma once

#include <filesystem>
#include <vector>

#include "eval/generate_answers.h"
#include "eval/prompt_format.h"
#include "redknot/redknot.h"

namespace redknot::eval {

inline constexpr std::size_t kMaxQuestionsFileBytes = std::size_t{256} << 20;

struct QuestionsFile {
  std::vector<Question> questions;
  int skipped = 0;  // lines whose prompt and answer are longer than the context
};

struct QuestionsFileOptions {
  PromptFormat format = PromptFormat::kPlain;
  int context_tokens = 4096;  // a prompt and kAnswerTokens fit into it, or the line is skipped
  int lines = 0;              // read so many questions at most; 0: all
};

// The questions in the order of the file. kNotFound, kIo; kInvalidArgument naming file and line for
// a line that is not such an object; kResourceExhausted beyond kMaxQuestionsFileBytes. Lines of
// white space alone are passed over.
Result<QuestionsFile> read_questions(const std::filesystem::path& path,
                                     const QuestionsFileOptions& options,
                                     const Tokenizer& tokenizer);

}  // namespace redknot::eval
