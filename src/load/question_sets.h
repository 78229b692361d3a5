// SPDX-License-Identifier: Apache-2.0
// Questions about documents, with answers that are known: a JSON object a line,
//   {"documents": ["...", "..."], "turns": [{"question": "...", "answer": "..."}]}
// as tools/corpus writes them. A line with one question may have "question" and "answer" itself
// instead of "turns". "system" is the text of a system message; an answer may be missing.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redknot/result.h"

namespace redknot::load {

inline constexpr std::size_t kMaxQuestionSetsBytes = std::size_t{256} << 20;

struct AnsweredQuestion {
  std::string question{};
  std::string answer{};  // empty: it is not known
};

// Questions that are all asked of the same documents.
struct QuestionSet {
  std::string system{};
  std::vector<std::shared_ptr<const std::string>> documents{};  // one at least, none empty
  std::vector<AnsweredQuestion> questions{};                    // one at least, none empty
};

// In the order of the lines. Empty lines and other fields are ignored. kInvalidArgument naming the
// line and the field, "line 3: ...".
Result<std::vector<QuestionSet>> parse_question_sets(std::string_view text);

// kNotFound and kIo with the system's reason; kResourceExhausted beyond kMaxQuestionSetsBytes.
Result<std::vector<QuestionSet>> read_question_sets(const std::filesystem::path& path);

}  // namespace redknot::load
