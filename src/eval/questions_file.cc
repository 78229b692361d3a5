// SPDX-License-Identifier: Apache-2.0
#include "eval/questions_file.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_fields.h"
#include "corpus/sample.h"
#include "eval/white_space.h"

namespace redknot::eval {
namespace {

using Json = nlohmann::json;

// What the user says, and what a person wants to see of it.
Result<Question> parse_line(std::string_view line, PromptFormat format) {
  const Json object = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return invalid("not a JSON object");
  const JsonFields fields(object);
  REDKNOT_TRY(const std::string context, fields.text("context"));
  REDKNOT_TRY(std::string answer, fields.text("answer"));
  std::string user(trimmed(context));
  if (fields.has("question")) {
    REDKNOT_TRY(const std::string asked, fields.text("question"));
    user += concat(user.empty() ? "" : "\n\n", trimmed(asked));
  }
  if (user.empty()) return invalid("\"context\" is empty");
  const std::size_t paragraph = user.rfind("\n\n");
  std::string last = paragraph == std::string::npos ? user : user.substr(paragraph + 2);
  corpus::Sample sample;
  sample.turns = {{.question = std::move(user), .answer = {}}};
  return Question{.prompt = write_prompt(format, sample, 0),
                  .text = std::move(last),
                  .answer = std::move(answer)};
}

// Cuts the first line off the text.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

}  // namespace

Result<QuestionsFile> read_questions(const std::filesystem::path& path,
                                     const QuestionsFileOptions& options,
                                     const Tokenizer& tokenizer) {
  REDKNOT_TRY(const std::string text, read_file(path, kMaxQuestionsFileBytes));
  QuestionsFile file;
  std::string_view rest = text;
  for (int number = 1, taken = 0; !rest.empty(); ++number) {
    const std::string_view line = trimmed(take_line(rest));
    if (line.empty()) continue;
    const std::string place = concat("read ", path, ": line ", number);
    auto question = parse_line(line, options.format);
    if (!question.ok()) return question.error().within(place);
    const auto tokens = count_prompt_tokens(options.format, tokenizer, question->prompt);
    if (!tokens.ok()) return tokens.error().within(place);
    question->prompt_tokens = *tokens;
    if (*tokens + kAnswerTokens > options.context_tokens) {
      ++file.skipped;
    } else {
      file.questions.push_back(std::move(*question));
    }
    if (++taken == options.lines) break;
  }
  return file;
}

}  // namespace redknot::eval
