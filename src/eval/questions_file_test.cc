// SPDX-License-Identifier: Apache-2.0
#include "eval/questions_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/model_maker.h"
#include "tests/temp_folder.h"

namespace redknot::eval {
namespace {

using testing::HasSubstr;

std::vector<corpus::Task> parse(std::string_view text, int most = 0) {
  auto tasks = parse_questions(text, most, "file");
  EXPECT_TRUE(tasks.ok()) << tasks.error().message();
  return tasks.ok() ? std::move(*tasks) : std::vector<corpus::Task>();
}

std::string error_of(std::string_view text) {
  const auto tasks = parse_questions(text, 0, "file");
  EXPECT_FALSE(tasks.ok()) << text;
  return tasks.ok() ? "" : tasks.error().message();
}

const std::string& question_of(const corpus::Task& task) { return task.sample.turns[0].question; }

TEST(QuestionsFile, TheContextIsTheWholePrompt) {
  const auto tasks = parse(R"({"context": "\n Key: \"a\"\nValue: ", "answer": "b", "place": 5})");
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(question_of(tasks[0]), "Key: \"a\"\nValue:");
  EXPECT_TRUE(tasks[0].sample.documents.empty());
  EXPECT_EQ(tasks[0].sample.system, "");
  EXPECT_EQ(tasks[0].answers, std::vector<std::string>{"b"});
  EXPECT_EQ(tasks[0].kind, "file");
}

TEST(QuestionsFile, AQuestionFollowsItsContext) {
  const auto tasks =
      parse(R"({"context": "It is b.", "question": " What is it? ", "answer": "b"})");
  EXPECT_EQ(question_of(tasks.at(0)), "It is b.\n\nWhat is it?");
}

TEST(QuestionsFile, DocumentsHaveTheirTitles) {
  const auto tasks = parse(R"({"documents": [{"title": "Velk", "text": "Old."}, {"text": "New."}],)"
                           R"( "question": "Which?", "answers": ["a", "b"]})");
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].sample.documents, (std::vector<std::string>{"Velk\nOld.", "New."}));
  EXPECT_EQ(question_of(tasks[0]), "Which?");
  EXPECT_EQ(tasks[0].answers, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(tasks[0].sample.turns[0].answer, "a");
  EXPECT_NE(tasks[0].sample.system, "");
}

// A file of lines; the object spans none.
TEST(QuestionsFile, PublishedFormatsAreRecognised) {
  const std::string hotpot =
      R"({"_id": "5", "question": "q", "answer": "a",)"
      R"( "context": [["T", ["One.", " Two."]], ["U", ["Three.", "Four."]]]})";
  const std::string columns = R"({"question": "q", "answer": "a",)"
                              R"( "context": {"title": ["T", "U"],)"
                              R"( "sentences": [["One.", " Two."], ["Three.", "Four."]]}})";
  const std::string musique =
      R"({"question": "q", "answer": "a", "answer_aliases": ["b"], "paragraphs":)"
      R"( [{"idx": 0, "title": "T", "paragraph_text": "One. Two."}]})";
  const std::vector<std::string> documents = {"T\nOne. Two.", "U\nThree. Four."};
  for (const std::string& text : {hotpot, "[" + hotpot + ", " + hotpot + "]", columns}) {
    const auto tasks = parse(text);
    ASSERT_FALSE(tasks.empty());
    EXPECT_EQ(tasks.back().sample.documents, documents);
    EXPECT_EQ(tasks.back().answers, std::vector<std::string>{"a"});
  }
  const auto tasks = parse(" [" + musique + "]\n");
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].sample.documents, std::vector<std::string>{documents[0]});
  EXPECT_EQ(tasks[0].answers, (std::vector<std::string>{"a", "b"}));
}

TEST(QuestionsFile, ReadsNoMoreThanAskedFor) {
  const std::string line = R"({"context": "c", "answer": "x"})";
  EXPECT_EQ(parse(line + "\n\n" + line + "\nnot read", 2).size(), 2u);
  EXPECT_EQ(parse("[" + line + "," + line + ", 3]", 2).size(), 2u);
}

TEST(QuestionsFile, ALineThatIsWrongIsNamedWithItsField) {
  const std::string good = R"({"context": "c", "answer": "x"})"
                           "\n\n";
  for (const auto& [bad, cause] :
       {std::pair("{", "not a JSON object"),
        {"[1]", "not a JSON object"},
        {"\"text\"", "not a JSON object"},
        {R"({"context": "c"})", "no \"answer\""},
        {R"({"answer": "c"})", "no \"context\""},
        {R"({"context": "c", "answer": 4})", "\"answer\" is not a string"},
        {R"({"context": 3, "answer": ""})", "\"context\" is not"},
        {R"({"context": ["c"], "question": "q", "answer": ""})", "context[0] is not a title"},
        {R"({"context": [["t", [1]]], "question": "q", "answer": ""})",
         "a sentence of the sentences of context[0] is not a string"},
        {R"({"context": {"title": ["a"], "sentences": []}, "question": "q", "answer": ""})",
         "1 titles and 0 lists"},
        {R"({"context": " ", "answer": "x"})", "\"context\" is empty"},
        {R"({"documents": {}, "question": "q", "answer": "x"})", "\"documents\" is not a list"},
        {R"({"documents": [3], "question": "q", "answer": "x"})", "documents[0] is not an object"},
        {R"({"documents": [{"title": "a"}], "question": "q", "answer": "x"})",
         "there is no documents[0].text"},
        {R"({"documents": [], "question": " ", "answer": "x"})", "\"question\" is empty"},
        {R"({"documents": [], "question": "q", "answers": []})", "\"answers\" is empty"},
        {R"({"documents": [], "question": "q", "answers": [1]})", "an entry of \"answers\""},
        {R"({"paragraphs": [{"title": "a"}], "question": "q", "answer": "x"})",
         "there is no paragraphs[0].paragraph_text"},
        {"{\"context\": \"\xff\", \"answer\": \"x\"}", "JSON"}}) {
    const std::string message = error_of(good + bad + "\n" + good);
    EXPECT_THAT(message, HasSubstr("line 3: "));
    EXPECT_THAT(message, HasSubstr(cause));
  }
  EXPECT_THAT(error_of(R"([{"context": "c", "answer": "x"}, {"context": "c"}])"),
              HasSubstr("entry 2: there is no \"answer\""));
  EXPECT_THAT(error_of(R"([{"context": "c", "answer": "x"})"), HasSubstr("not JSON"));
}

TEST(QuestionsFile, WhatIsTooLargeIsRefused) {
  EXPECT_THAT(error_of(std::string(1 << 20, '[')), HasSubstr("line 1: not a JSON object"));
  EXPECT_THAT(error_of("\"" + std::string(kMaxQuestionBytes, 'a') + "\""),
              HasSubstr("line 1: longer than 8 MiB"));
  std::string many;
  for (std::size_t i = 0; i <= kMaxQuestionDocuments; ++i) many += R"({"text": "a"},)";
  many.pop_back();
  EXPECT_THAT(error_of(R"({"question": "q", "answer": "a", "documents": [)" + many + "]}"),
              HasSubstr("\"documents\" has more than 4096"));
}

TEST(QuestionsFile, AFileIsNamedAndGivesItsNameToItsQuestions) {
  const tests::TempFolder folder;
  const std::filesystem::path path = folder / "asked.jsonl";
  std::ofstream(path) << R"({"context": "c", "answer": "x"})"
                      << "\n";
  EXPECT_EQ(read_questions(path, 0).value().at(0).kind, "asked");
  std::ofstream(path) << "{";
  EXPECT_THAT(read_questions(path, 0).error().message(),
              HasSubstr(path.string() + ": line 1: not a JSON object"));
  const auto absent = read_questions("/absent/q.jsonl", 0);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
}

TEST(QuestionsFile, WhatIsLongerThanTheContextIsCounted) {
  const tests::ModelOnDisk model({.shape = tests::small_shape(Architecture::kLlama)});
  const Tokenizer tokenizer = Tokenizer::open(model.path()).value();
  const Prompter prompter(PromptStyle::kPlain, tokenizer);
  const auto tasks = parse(R"({"context": "short", "answer": "x"})"
                           "\n"
                           R"({"context": "rather long in comparison to it", "answer": "y"})"
                           "\n\n  \r\n"
                           R"({"context": "short", "answer": "z"})");
  const Question first = prompter.question(tasks.at(0)).value();
  const int fits = whole_tokens(first);
  const FittingQuestions found = fitting(tasks, prompter, fits).value();
  EXPECT_EQ(found.skipped, 1);
  ASSERT_EQ(found.questions.size(), 2u);
  EXPECT_EQ(found.questions[1].task.answers[0], "z");
  EXPECT_EQ(fitting(tasks, prompter, fits - 1)->skipped, 3);
}

TEST(QuestionsFile, WhatIsWrittenIsReadAsTheSameTask) {
  corpus::Random random(3);
  const auto count = [](std::string_view text) { return static_cast<int>(text.size() / 4); };
  for (const corpus::Kind kind : {corpus::Kind::kOneHop, corpus::Kind::kExtraction,
                                  corpus::Kind::kVariables, corpus::Kind::kFrequentWords}) {
    const corpus::Task task =
        corpus::make_task(kind, {.document_tokens = 600}, count, random).value();
    const auto again = parse(write_question(task));
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].sample.system, task.sample.system);
    EXPECT_EQ(again[0].sample.documents, task.sample.documents);
    EXPECT_EQ(question_of(again[0]), task.sample.turns.back().question);
    EXPECT_EQ(again[0].sample.turns[0].answer, task.sample.turns.back().answer);
    EXPECT_EQ(again[0].answers, task.answers);
    EXPECT_EQ(again[0].kind, task.kind);
    EXPECT_EQ(again[0].scoring, task.scoring);
    EXPECT_EQ(again[0].schema, task.schema);
    EXPECT_EQ(again[0].answer_tokens, task.answer_tokens);
  }
  EXPECT_THAT(error_of(R"({"context": "c", "answer": "x", "scoring": "luck"})"),
              HasSubstr("\"scoring\" is not known: luck"));
  EXPECT_THAT(error_of(R"({"context": "c", "answer": "x", "answer_tokens": 0})"),
              HasSubstr("\"answer_tokens\" is not an integer in 1..4096"));
}

// The files themselves, where they are.
TEST(QuestionsFile, PublishedFilesAreRead) {
  const std::filesystem::path data =
      std::filesystem::path(REDKNOT_SOURCE_DIR).parent_path() / "shared" / "data";
  for (const auto& [name, documents] :
       {std::pair("hipporag_hotpot_musique/hotpotqa_train.json", 10u),
        {"hipporag_hotpot_musique/musique_train.json", 20u},
        {"rpt_hotpotqa/dev.jsonl", 10u}}) {
    if (!std::filesystem::exists(data / name)) continue;
    const auto tasks = read_questions(data / name, 0);
    ASSERT_TRUE(tasks.ok()) << tasks.error().message();
    EXPECT_GE(tasks->size(), 100u);
    for (const corpus::Task& task : *tasks) {
      EXPECT_LE(task.sample.documents.size(), documents);
      EXPECT_GE(task.sample.documents.size(), 2u);
      EXPECT_FALSE(task.answers[0].empty());
    }
  }
}

}  // namespace
}  // namespace redknot::eval
