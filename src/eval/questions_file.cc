// SPDX-License-Identifier: Apache-2.0
#include "eval/questions_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_fields.h"
#include "corpus/sample.h"
#include "eval/white_space.h"

namespace redknot::eval {
namespace {

using Object = nlohmann::json;
using Fields = JsonFields<Object>;
using Documents = std::vector<std::string>;

constexpr char kInstructions[] =
    "Answer the question from the documents, with nothing but the answer, in as few words as "
    "possible.";

std::string titled(const std::string& title, const std::string& text) {
  return title.empty() ? text : title + "\n" + text;
}

Result<std::string> text_in(const Object& value, const std::string& place) {
  if (!value.is_string()) return invalid(place, " is not a string");
  return value.get<std::string>();
}

// [{"title", `text_name`}]; a document without a title has none, and may be its text alone.
Result<Documents> read_documents(const Fields& fields, const char* name, const char* text_name) {
  REDKNOT_TRY(const Object* list, fields.list(name, kMaxQuestionDocuments));
  Documents out;
  for (const Object& entry : *list) {
    if (entry.is_string()) {
      out.push_back(entry.get<std::string>());
      continue;
    }
    const Fields document(entry, concat(name, "[", out.size(), "]"));
    REDKNOT_TRY(const std::string text, document.text(text_name));
    REDKNOT_TRY(const auto title, document.optional_text("title"));
    out.push_back(titled(title.value_or(""), text));
  }
  return out;
}

Result<std::string> joined(const Object& sentences, const std::string& place) {
  if (!sentences.is_array()) return invalid(place, " is not a list");
  if (sentences.size() > kMaxSentences) {
    return invalid(place, " has more than ", kMaxSentences, " entries");
  }
  std::string out;
  for (const Object& sentence : sentences) {
    REDKNOT_TRY(const std::string text, text_in(sentence, concat("a sentence of ", place)));
    const bool apart = !out.empty() && out.back() != ' ' && (text.empty() || text.front() != ' ');
    out += (apart ? " " : "") + text;
  }
  return out;
}

Result<std::string> read_titled(const Object& title, const Object& sentences,
                                const std::string& place) {
  REDKNOT_TRY(const std::string name, text_in(title, "the title of " + place));
  REDKNOT_TRY(const std::string text, joined(sentences, "the sentences of " + place));
  return titled(name, text);
}

// HotpotQA's context: pairs of a title and sentences, or a list of titles and one of sentences.
Result<Documents> read_context(const Object& context) {
  Documents out;
  const auto place = [&out] { return concat("context[", out.size(), "]"); };
  if (context.is_object()) {
    const Fields fields(context, "context");
    REDKNOT_TRY(const Object* titles, fields.list("title", kMaxQuestionDocuments));
    REDKNOT_TRY(const Object* sentences, fields.list("sentences", kMaxQuestionDocuments));
    if (titles->size() != sentences->size()) {
      return invalid("context has ", titles->size(), " titles and ", sentences->size(),
                     " lists of sentences");
    }
    for (std::size_t i = 0; i < titles->size(); ++i) {
      REDKNOT_TRY(std::string document, read_titled((*titles)[i], (*sentences)[i], place()));
      out.push_back(std::move(document));
    }
    return out;
  }
  if (context.size() > kMaxQuestionDocuments) {
    return invalid("context has more than ", kMaxQuestionDocuments, " entries");
  }
  for (const Object& entry : context) {
    if (!entry.is_array() || entry.size() != 2) {
      return invalid(place(), " is not a title and a list of sentences");
    }
    REDKNOT_TRY(std::string document, read_titled(entry[0], entry[1], place()));
    out.push_back(std::move(document));
  }
  return out;
}

Status add_answers(const Fields& fields, const char* name, std::vector<std::string>& answers) {
  if (fields.find(name) == nullptr) return Done{};
  REDKNOT_TRY(const Object* list, fields.list(name, kMaxQuestionAnswers));
  for (const Object& entry : *list) {
    REDKNOT_TRY(std::string answer, text_in(entry, concat("an entry of ", fields.at(name))));
    answers.push_back(std::move(answer));
  }
  return Done{};
}

// All that are right, one at least, and the one that a model should write.
Status read_answers(const Fields& fields, corpus::Task& task) {
  std::string& wanted = task.sample.turns.back().answer;
  if (fields.has("answer") || !fields.has("answers")) {
    REDKNOT_TRY(wanted, fields.text("answer"));
  }
  REDKNOT_RETURN_IF_ERROR(add_answers(fields, "answers", task.answers));
  if (task.answers.empty() && fields.has("answer")) task.answers.push_back(wanted);
  REDKNOT_RETURN_IF_ERROR(add_answers(fields, "answer_aliases", task.answers));
  if (task.answers.empty()) return invalid(fields.at("answers"), " is empty");
  if (!fields.has("answer")) wanted = task.answers.front();
  return Done{};
}

// What files that write_question() made say besides.
Status read_scoring(const Fields& fields, corpus::Task& task) {
  REDKNOT_TRY(const auto kind, fields.optional_text("kind"));
  if (kind) task.kind = *kind;
  REDKNOT_TRY(const auto scoring, fields.optional_text("scoring"));
  if (scoring) {
    const auto found = corpus::scoring_named(*scoring);
    if (!found) return invalid(fields.at("scoring"), " is not known: ", *scoring);
    task.scoring = *found;
  }
  if (fields.has("answer_tokens")) {
    REDKNOT_TRY(const std::int64_t tokens, fields.integer("answer_tokens", 1, kMaxAnswerTokens));
    task.answer_tokens = static_cast<int>(tokens);
  }
  REDKNOT_TRY(const auto schema, fields.optional_text("schema"));
  task.schema = schema.value_or("");
  return Done{};
}

// The whole prompt of a user.
Result<corpus::Sample> read_prompt(const Fields& fields) {
  REDKNOT_TRY(const std::string context, fields.text("context"));
  std::string user(trimmed(context));
  if (fields.has("question")) {
    REDKNOT_TRY(const std::string asked, fields.text("question"));
    user += concat(user.empty() ? "" : "\n\n", trimmed(asked));
  }
  if (user.empty()) return invalid("\"context\" is empty");
  corpus::Sample sample;
  sample.turns = {{.question = std::move(user), .answer = {}}};
  return sample;
}

Result<Documents> documents_in(const Fields& fields) {
  if (fields.has("documents")) return read_documents(fields, "documents", "text");
  if (fields.has("paragraphs")) return read_documents(fields, "paragraphs", "paragraph_text");
  REDKNOT_TRY(const Object* context, fields.required("context"));
  return read_context(*context);
}

Result<corpus::Sample> read_sample(const Object& object, const Fields& fields) {
  const Object& context = member_of(object, "context");
  const bool documents = fields.has("documents") || fields.has("paragraphs") ||
                         context.is_array() || context.is_object();
  if (!documents) return read_prompt(fields);
  REDKNOT_TRY(const auto system, fields.optional_text("system"));
  corpus::Sample sample{.system = system.value_or(kInstructions)};
  REDKNOT_TRY(sample.documents, documents_in(fields));
  REDKNOT_TRY(const std::string question, fields.text("question"));
  if (trimmed(question).empty()) return invalid("\"question\" is empty");
  sample.turns = {{.question = std::string(trimmed(question)), .answer = {}}};
  return sample;
}

Result<corpus::Task> read_task(const Object& object, const std::string& kind) {
  if (!object.is_object()) return invalid("not a JSON object");
  const Fields fields(object);
  corpus::Task task{.kind = kind};
  REDKNOT_TRY(task.sample, read_sample(object, fields));
  REDKNOT_RETURN_IF_ERROR(read_answers(fields, task));
  REDKNOT_RETURN_IF_ERROR(read_scoring(fields, task));
  return task;
}

// Cuts the first line off the text.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

Object parsed(std::string_view text) {
  return Object::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

bool is_full(const std::vector<corpus::Task>& tasks, int most) {
  return most > 0 && tasks.size() >= static_cast<std::size_t>(most);
}

Result<std::vector<corpus::Task>> read_array(std::string_view text, int most,
                                             const std::string& kind) {
  if (text.size() > kMaxArrayBytes) {
    return invalid("an array longer than ", kMaxArrayBytes >> 20, " MiB; write an object a line");
  }
  const Object array = parsed(text);
  if (!array.is_array()) return invalid("not JSON");
  std::vector<corpus::Task> tasks;
  for (const Object& object : array) {
    if (is_full(tasks, most)) break;
    auto task = read_task(object, kind);
    if (!task.ok()) return task.error().within(concat("entry ", tasks.size() + 1));
    tasks.push_back(std::move(*task));
  }
  return tasks;
}

Result<std::vector<corpus::Task>> read_lines(std::string_view text, int most,
                                             const std::string& kind) {
  std::vector<corpus::Task> tasks;
  for (int number = 1; !text.empty() && !is_full(tasks, most); ++number) {
    const std::string_view line = trimmed(take_line(text));
    if (line.empty()) continue;
    const std::string place = concat("line ", number);
    if (line.size() > kMaxQuestionBytes) {
      return invalid(place, ": longer than ", kMaxQuestionBytes >> 20, " MiB");
    }
    auto task = read_task(parsed(line), kind);
    if (!task.ok()) return task.error().within(place);
    tasks.push_back(std::move(*task));
  }
  return tasks;
}

}  // namespace

Result<std::vector<corpus::Task>> parse_questions(std::string_view text, int most,
                                                  const std::string& kind) {
  const std::string_view whole = trimmed(text);
  // A line may be an array by mistake; a file of questions as an array has an object in it.
  const bool array =
      !whole.empty() && whole.front() == '[' && trimmed(whole.substr(1)).substr(0, 1) == "{";
  return array ? read_array(whole, most, kind) : read_lines(text, most, kind);
}

Result<std::vector<corpus::Task>> read_questions(const std::filesystem::path& path, int most) {
  REDKNOT_TRY(const std::string text, read_file(path, kMaxQuestionsFileBytes));
  auto tasks = parse_questions(text, most, path.stem().string());
  if (!tasks.ok()) return tasks.error().within(concat("read ", path));
  return tasks;
}

Result<FittingQuestions> fitting(std::span<const corpus::Task> tasks, const Prompter& prompter,
                                 int context_tokens) {
  FittingQuestions out;
  for (const corpus::Task& task : tasks) {
    REDKNOT_TRY(Question question, prompter.question(task));
    if (whole_tokens(question) > context_tokens) {
      ++out.skipped;
    } else {
      out.questions.push_back(std::move(question));
    }
  }
  return out;
}

std::string write_question(const corpus::Task& task) {
  const corpus::Turn& asked = task.sample.turns.back();
  nlohmann::ordered_json out = {{"kind", task.kind},
                                {"system", task.sample.system},
                                {"documents", task.sample.documents},
                                {"question", asked.question},
                                {"answer", asked.answer},
                                {"answers", task.answers},
                                {"scoring", name_of(task.scoring)},
                                {"answer_tokens", task.answer_tokens}};
  if (!task.schema.empty()) out["schema"] = task.schema;
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace redknot::eval
