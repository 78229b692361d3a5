// SPDX-License-Identifier: Apache-2.0
#include "eval/generate_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/white_space.h"
#include "tests/answers.h"
#include "tests/model_maker.h"

namespace redknot::eval {
namespace {

using testing::HasSubstr;

class GenerateAnswersTest : public testing::Test {
 protected:
  std::vector<Question> questions(int count) const {
    std::vector<Question> out;
    for (int i = 0; i < count; ++i) {
      out.push_back({.prompt = std::string(static_cast<std::size_t>(7 * i % 23 + 1), 'a') + "?"});
    }
    return out;
  }

  tests::ModelOnDisk model_{{.shape = tests::small_shape(Architecture::kLlama), .seed = 3}};
  Engine engine_ = Engine::open(tests::small_engine(model_.path())).value();
};

TEST_F(GenerateAnswersTest, AnswersAreThoseOfEachQuestionAlone) {
  const std::vector<Question> all = questions(7);
  std::vector<std::string> alone;
  for (const Question& question : all) {
    Request request = make_request(PromptFormat::kMarks, question.prompt);
    alone.emplace_back(trimmed(tests::answer(engine_, std::move(request)).text));
  }
  for (const int at_once : {1, 3, 20}) {
    const GenerateOptions options{.format = PromptFormat::kMarks, .at_once = at_once};
    EXPECT_EQ(generate_answers(engine_, all, options).value(), alone) << at_once;
  }
}

TEST_F(GenerateAnswersTest, EveryAnswerIsReportedInItsOrder) {
  const std::vector<Question> all = questions(5);
  std::vector<std::string> reported;
  GenerateOptions options;
  options.on_answer = [&](const Question& question) { reported.push_back(question.prompt); };
  ASSERT_TRUE(generate_answers(engine_, all, options).ok());
  ASSERT_EQ(reported.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(reported[i], all[i].prompt);
}

TEST_F(GenerateAnswersTest, NoQuestionsHaveNoAnswers) {
  EXPECT_TRUE(generate_answers(engine_, {}, {}).value().empty());
}

TEST_F(GenerateAnswersTest, AQuestionThatCannotBeAskedIsNamed) {
  std::vector<Question> all = questions(3);
  all[1].prompt = std::string(1000, 'a');
  const auto answers = generate_answers(engine_, all, {});
  ASSERT_FALSE(answers.ok());
  EXPECT_THAT(answers.error().message(), HasSubstr("question 2"));
  EXPECT_THAT(answers.error().message(), HasSubstr("context"));
  EXPECT_TRUE(tests::becomes_idle(engine_));
}

TEST(WhiteSpace, IsTakenFromBothEnds) {
  EXPECT_EQ(trimmed(" \t\n a b\r\n"), "a b");
  EXPECT_EQ(trimmed("a"), "a");
  EXPECT_EQ(trimmed(" \n "), "");
  EXPECT_EQ(trimmed(""), "");
}

}  // namespace
}  // namespace redknot::eval
