// SPDX-License-Identifier: Apache-2.0
#include "eval/qa_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "corpus/random.h"
#include "tests/model_maker.h"

namespace redknot::eval {
namespace {

using corpus::Kind;
using testing::EndsWith;
using testing::HasSubstr;

class QaSuite : public testing::Test {
 protected:
  std::vector<Question> make(const QaCell& cell) const {
    auto questions = make_questions(cell, Prompter(PromptStyle::kPlain, tokenizer_));
    EXPECT_TRUE(questions.ok()) << questions.error().message();
    return questions.ok() ? std::move(*questions) : std::vector<Question>();
  }

  tests::ModelOnDisk model_{{.shape = tests::small_shape(Architecture::kLlama)}};
  Tokenizer tokenizer_ = Tokenizer::open(model_.path()).value();
};

std::vector<std::string> prompts(const std::vector<Question>& questions) {
  std::vector<std::string> out;
  for (const Question& question : questions) out.push_back(question.prompt_text);
  return out;
}

TEST_F(QaSuite, EqualCellsHaveEqualQuestions) {
  const QaCell cell{Kind::kAlias, 800, 4, 9};
  EXPECT_EQ(prompts(make(cell)), prompts(make(cell)));
}

TEST_F(QaSuite, AnotherSeedAsksOtherQuestions) {
  const auto one = prompts(make({Kind::kOneHop, 600, 3, 1}));
  const auto two = prompts(make({Kind::kOneHop, 600, 3, 2}));
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NE(one[i], two[i]);
}

TEST_F(QaSuite, FirstQuestionsDoNotDependOnHowManyFollow) {
  auto many = prompts(make({Kind::kQuote, 600, 6, 4}));
  many.resize(2);
  EXPECT_EQ(prompts(make({Kind::kQuote, 600, 2, 4})), many);
}

TEST_F(QaSuite, EveryKindIsAskedOfTheTestSplit) {
  for (int i = 0; i < corpus::kKinds; ++i) {
    const auto kind = static_cast<Kind>(i);
    SCOPED_TRACE(name_of(kind));
    const auto questions = make({kind, 1000, 3, 1});
    ASSERT_EQ(questions.size(), 3u);
    for (const Question& question : questions) {
      EXPECT_THAT(
          question.prompt_text,
          EndsWith("Question: " + question.task.sample.turns.back().question + "\nAnswer:"));
      EXPECT_FALSE(question.task.answers.front().empty());
      EXPECT_GT(question.prompt_tokens, 0);
      EXPECT_LE(whole_tokens(question),
                1000 + Prompter(PromptStyle::kPlain, tokenizer_).room_tokens(1000));
    }
  }
}

TEST_F(QaSuite, DocumentsNearlyFillTheirTokens) {
  for (const int tokens : {600, 1500}) {
    for (const Question& question : make({Kind::kTwoHop, tokens, 5, 1})) {
      EXPECT_GT(question.prompt_tokens, tokens * 85 / 100);
    }
  }
}

TEST_F(QaSuite, AChatHasTheAnswerOfItsFirstTurn) {
  for (const Question& question : make({Kind::kChat, 800, 5, 1})) {
    const std::string& prompt = question.prompt_text;
    const std::size_t first = prompt.find("Question: ");
    const std::size_t second = prompt.rfind("Question: ");
    ASSERT_LT(first, second);
    EXPECT_THAT(prompt.substr(first, second - first), HasSubstr("\nAnswer: "));
  }
}

// This tokenizer takes each mark for several tokens.
TEST_F(QaSuite, PromptsLongerThanTheirRoomAreRefused) {
  const auto questions =
      make_questions({Kind::kOneHop, 600, 1, 1}, Prompter(PromptStyle::kMarks, tokenizer_));
  ASSERT_FALSE(questions.ok());
  EXPECT_EQ(questions.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(questions.error().message(), HasSubstr("more than 856"));
}

TEST_F(QaSuite, DocumentsThatAreTooShortAreRefused) {
  const auto questions =
      make_questions({Kind::kTwoHop, 40, 1, 1}, Prompter(PromptStyle::kPlain, tokenizer_));
  ASSERT_FALSE(questions.ok());
  EXPECT_EQ(questions.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(questions.error().message(), HasSubstr("two_hop questions on 40 tokens"));
}

TEST(QaStreams, AreDistinctAndNeverThoseOfTraining) {
  std::set<std::uint64_t> seen;
  int count = 0;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 62}) {
    for (int kind = 0; kind < corpus::kKinds; ++kind) {
      for (const int tokens : {512, 1024, 2048, 4096, 8192}) {
        const std::uint64_t stream = stream_seed({static_cast<Kind>(kind), tokens, 200, seed});
        EXPECT_GE(stream, corpus::kFirstEvaluationSeed);
        seen.insert(stream);
        ++count;
      }
    }
  }
  EXPECT_EQ(static_cast<int>(seen.size()), count);
}

}  // namespace
}  // namespace redknot::eval
