// SPDX-License-Identifier: Apache-2.0
#include "load/question_sets.h"

#include <utility>

#include "base/file.h"
#include "base/json_fields.h"
#include "load/json_lines.h"

namespace redknot::load {
namespace {

using nlohmann::json;

// Missing or null: empty.
Result<std::string> text_or_empty(const json& object, const char* name) {
  REDKNOT_TRY(const auto text, JsonFields(object).optional_text(name));
  return text.value_or("");
}

Result<AnsweredQuestion> question_of(const json& object) {
  AnsweredQuestion out;
  REDKNOT_TRY(out.question, text_or_empty(object, "question"));
  REDKNOT_TRY(out.answer, text_or_empty(object, "answer"));
  if (out.question.empty()) return invalid("there is no \"question\", or it is empty");
  return out;
}

Result<std::vector<AnsweredQuestion>> questions_of(const json& object) {
  std::vector<AnsweredQuestion> out;
  const auto turns = object.find("turns");
  if (turns == object.end()) {
    REDKNOT_TRY(AnsweredQuestion only, question_of(object));
    out.push_back(std::move(only));
    return out;
  }
  if (!turns->is_array() || turns->empty()) return invalid("\"turns\" is not a list of questions");
  for (const json& turn : *turns) {
    const auto where = concat("\"turns\"[", out.size(), "]");
    if (!turn.is_object()) return invalid(where, " is not an object");
    Result<AnsweredQuestion> one = question_of(turn);
    if (!one.ok()) return one.error().within(where);
    out.push_back(*std::move(one));
  }
  return out;
}

Result<QuestionSet> parse_set(const json& object) {
  QuestionSet out;
  REDKNOT_TRY(out.system, text_or_empty(object, "system"));
  REDKNOT_TRY(const json* documents, JsonFields(object).required("documents"));
  if (!documents->is_array() || documents->empty()) {
    return invalid("\"documents\" is not a list of texts");
  }
  for (const json& document : *documents) {
    if (!document.is_string() || document.get_ref<const std::string&>().empty()) {
      return invalid("\"documents\"[", out.documents.size(), "] is not a text");
    }
    out.documents.push_back(std::make_shared<const std::string>(document.get<std::string>()));
  }
  REDKNOT_TRY(out.questions, questions_of(object));
  return out;
}

}  // namespace

Result<std::vector<QuestionSet>> parse_question_sets(std::string_view text) {
  return parse_lines<QuestionSet>(text, parse_set);
}

Result<std::vector<QuestionSet>> read_question_sets(const std::filesystem::path& path) {
  REDKNOT_TRY(const std::string text, read_file(path, kMaxQuestionSetsBytes));
  auto sets = parse_question_sets(text);
  if (!sets.ok()) return sets.error().within(concat("read ", path));
  return sets;
}

}  // namespace redknot::load
