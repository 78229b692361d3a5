// SPDX-License-Identifier: Apache-2.0
// Files of questions: a JSON object a line, or a JSON array of such objects. What an object is
// shows in its fields; others are ignored:
//
//   documents    [{"title", "text"}], question, answers []: questions about documents
//   paragraphs   [{"title", "paragraph_text"}], question, answer, answer_aliases []: MuSiQue
//   context      [["title", ["sentence", ...]], ...] or {"title": [], "sentences": [[]]}, question,
//                answer: HotpotQA, distractor setting
//   context      "text", answer: the whole prompt of a user, as the long-context files of
//                llm-foundry have it; a field "question", if there is one, follows it
//
// "answer" stands for one of "answers" everywhere; beside them it is the one that a model should
// write. Documents may be texts, and "system" what stands before them. "kind", "scoring"
// (corpus::Scoring), "schema" and "answer_tokens" say what else a task does. Parsing is a pure
// function; reading is called on the caller's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/task.h"
#include "eval/prompter.h"
#include "eval/question.h"
#include "redknot/result.h"

namespace redknot::eval {

inline constexpr std::size_t kMaxQuestionsFileBytes = std::size_t{256} << 20;
inline constexpr std::size_t kMaxArrayBytes = std::size_t{64} << 20;    // of a file that is one
inline constexpr std::size_t kMaxQuestionBytes = std::size_t{8} << 20;  // of a line
inline constexpr std::size_t kMaxQuestionDocuments = 4096, kMaxQuestionAnswers = 256;
inline constexpr std::int64_t kMaxAnswerTokens = 4096;
inline constexpr std::size_t kMaxSentences = 65'536;  // of a document

// At most so many questions of a text in the order it has them; 0: all. Kinds are `kind` where
// nothing else is said.
// kInvalidArgument naming the line, or the entry of the array, and the field.
Result<std::vector<corpus::Task>> parse_questions(std::string_view text, int most,
                                                  const std::string& kind);

// Of a file; the kind is its name without the ending. kNotFound, kIo; kInvalidArgument naming the
// file, too; kResourceExhausted beyond kMaxQuestionsFileBytes.
Result<std::vector<corpus::Task>> read_questions(const std::filesystem::path& path, int most);

// A line, without its end, that is read as the same task; servers are asked by it as well (redknot
// bench serve --mix questions). Of a chat its last turn.
std::string write_question(const corpus::Task& task);

struct FittingQuestions {
  std::vector<Question> questions{};
  int skipped = 0;  // whose prompt and answer are longer than the context
};

// The errors of Prompter::question.
Result<FittingQuestions> fitting(std::span<const corpus::Task> tasks, const Prompter& prompter,
                                 int context_tokens);

}  // namespace redknot::eval
