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

class QuestionsFileTest : public testing::Test {
 protected:
  Result<QuestionsFile> read(const std::string& text, QuestionsFileOptions options = {}) const {
    std::ofstream(path_) << text;
    return read_questions(path_, options, tokenizer_);
  }
  std::string error_of(const std::string& text) const {
    const auto file = read(text);
    EXPECT_FALSE(file.ok()) << text;
    return file.ok() ? "" : file.error().message();
  }

  tests::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "questions.jsonl";
  tests::ModelOnDisk model_{{.shape = tests::small_shape(Architecture::kLlama)}};
  Tokenizer tokenizer_ = Tokenizer::open(model_.path()).value();
};

TEST_F(QuestionsFileTest, TheContextIsTheWholePrompt) {
  const auto file =
      read(R"({"context": "\n Key: \"a\"\nValue: ", "answer": "b", "place": 5})").value();
  ASSERT_EQ(file.questions.size(), 1u);
  EXPECT_EQ(file.questions[0].prompt, "Question: Key: \"a\"\nValue:\nAnswer:");
  EXPECT_EQ(file.questions[0].answer, "b");
  EXPECT_GT(file.questions[0].prompt_tokens, 0);
  EXPECT_EQ(file.skipped, 0);
}

TEST_F(QuestionsFileTest, AMarkedPromptIsAUserMessage) {
  const auto file =
      read(R"({"context": "Say b. ", "answer": "b"})", {.format = PromptFormat::kMarks});
  EXPECT_EQ(file.value().questions.at(0).prompt, "<|user|> Say b.<|assistant|>");
}

TEST_F(QuestionsFileTest, AQuestionFollowsItsContext) {
  const auto file = read(R"({"context": "It is b.", "question": " What is it? ", "answer": "b"})");
  const Question question = file.value().questions.at(0);
  EXPECT_EQ(question.prompt, "Question: It is b.\n\nWhat is it?\nAnswer:");
  EXPECT_EQ(question.text, "What is it?");
}

TEST_F(QuestionsFileTest, LinesBeyondTheContextAreCounted) {
  const std::string text = R"({"context": "short", "answer": "x"})"
                           "\n"
                           R"({"context": "rather long in comparison to it", "answer": "y"})"
                           "\n\n  \r\n"
                           R"({"context": "short", "answer": "z"})"
                           "\n";
  const int fits = read(text).value().questions.at(0).prompt_tokens + kAnswerTokens;
  const auto file = read(text, {.context_tokens = fits}).value();
  EXPECT_EQ(file.skipped, 1);
  ASSERT_EQ(file.questions.size(), 2u);
  EXPECT_EQ(file.questions[1].answer, "z");
  EXPECT_EQ(read(text, {.context_tokens = fits - 1}).value().skipped, 3);
}

TEST_F(QuestionsFileTest, ReadsNoMoreLinesThanAskedFor) {
  const std::string line = R"({"context": "c", "answer": "x"})";
  EXPECT_EQ(read(line + "\n\n" + line + "\nnot read", {.lines = 2}).value().questions.size(), 2u);
}

TEST_F(QuestionsFileTest, ALineThatIsWrongIsNamed) {
  const std::string good = R"({"context": "c", "answer": "x"})"
                           "\n\n";
  for (const auto& [bad, cause] :
       {std::pair("{", "not a JSON object"),
        {"[1]", "not a JSON object"},
        {"\"text\"", "not a JSON object"},
        {R"({"context": "c"})", "no \"answer\""},
        {R"({"answer": "c"})", "no \"context\""},
        {R"({"context": "c", "answer": 4})", "\"answer\" is not a string"},
        {R"({"context": ["c"], "answer": ""})", "\"context\" is not"},
        {R"({"context": " ", "answer": "x"})", "\"context\" is empty"},
        {"{\"context\": \"\xff\", \"answer\": \"x\"}", "JSON"}}) {
    const std::string message = error_of(good + bad + "\n" + good);
    EXPECT_THAT(message, HasSubstr(path_.string() + ": line 3: "));
    EXPECT_THAT(message, HasSubstr(cause));
  }
}

TEST_F(QuestionsFileTest, NestingWithoutEndIsRefused) {
  EXPECT_THAT(error_of(std::string(1 << 20, '[')), HasSubstr("line 1: not a JSON object"));
}

TEST_F(QuestionsFileTest, AFileThatIsAbsentIsNotFound) {
  const auto file = read_questions("/absent/q.jsonl", {}, tokenizer_);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace redknot::eval
