// SPDX-License-Identifier: Apache-2.0
#include "eval/generate_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/likelihood.h"
#include "eval/prompter.h"
#include "eval/white_space.h"
#include "tests/answers.h"
#include "tests/model_maker.h"

namespace redknot::eval {
namespace {

using testing::HasSubstr;

class GenerateAnswersTest : public testing::Test {
 protected:
  std::vector<Question> questions(int count, int longer = 0) const {
    const Prompter prompter(PromptStyle::kPlain, *engine_.tokenizer());
    std::vector<Question> out;
    for (int i = 0; i < count; ++i) {
      corpus::Task task{.answers = {std::string(static_cast<std::size_t>(i % 3 + 1), 'b')}};
      task.sample.turns = {{corpus::Kind::kOneHop,
                            std::string(static_cast<std::size_t>(7 * i % 23 + 1 + longer), 'a'),
                            task.answers.front()}};
      out.push_back(prompter.question(task).value());
    }
    return out;
  }
  std::vector<Answer> alone(const std::vector<Question>& all) {
    std::vector<Answer> out;
    for (const Question& question : all) {
      out.push_back({std::string(trimmed(tests::answer(engine_, request_of(question)).text))});
    }
    return out;
  }

  tests::ModelOnDisk model_{{.shape = tests::small_shape(Architecture::kLlama), .seed = 3}};
  Engine engine_ = Engine::open(tests::small_engine(model_.path())).value();
};

TEST_F(GenerateAnswersTest, AnswersAreThoseOfEachQuestionAlone) {
  const std::vector<Question> all = questions(7);
  const std::vector<Answer> expected = alone(all);
  for (const int at_once : {1, 3, 20}) {
    EXPECT_EQ(generate_answers(engine_, all, {.at_once = at_once}).value(), expected) << at_once;
  }
}

// What a model thinks of an answer, the long way: all logits of the prompt with the answer.
double gold_of_whole_prompt(Engine& engine, const Question& question) {
  Request request{.reuse = Reuse::kNone};
  std::vector<int> tokens;
  for (const PromptPart& part : question.prompt) {
    tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
  }
  tokens.insert(tokens.end(), question.gold.begin(), question.gold.end() - 1);
  request.prompt = {token_part(std::move(tokens))};
  request.max_tokens = 0;
  request.all_logits = true;
  Outcome outcome =
      finish(engine.generate(std::move(request)).value(), {}, question.gold.size()).value();
  normalise_rows(outcome.logits, outcome.logits.size() / question.gold.size());
  return mean_log_probability(outcome.logits, question.gold);
}

TEST_F(GenerateAnswersTest, LikelihoodIsThatOfTheWholePromptAndChangesNoAnswer) {
  const tests::ProfileOnDisk profile(
      model_, {{.head_class = HeadClass::kLocal, .sink_tokens = 2, .window_tokens = 8}, {}});
  for (const auto& path : {std::filesystem::path(), profile.path()}) {
    EngineOptions options = tests::small_engine(model_.path());
    options.profile = path;
    options.context_tokens = 512;
    options.segment_tokens = 2048;
    engine_ = Engine::open(options).value();
    std::vector<Question> all = questions(4);
    for (const int longer : {120, 300}) {
      const std::vector<Question> some = questions(3, longer);
      all.insert(all.end(), some.begin(), some.end());
    }
    std::vector<Answer> expected = alone(all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      expected[i].gold_log_probability = gold_of_whole_prompt(engine_, all[i]);
    }
    for (const int at_once : {1, 3}) {
      EXPECT_EQ(generate_answers(engine_, all, {.at_once = at_once, .likelihood = true}).value(),
                expected)
          << at_once << path;
    }
  }
}

TEST_F(GenerateAnswersTest, EveryAnswerIsReportedInItsOrder) {
  const std::vector<Question> all = questions(5);
  std::vector<std::string> reported;
  GenerateOptions options;
  options.on_answer = [&](const Question& question, const Answer&) {
    reported.push_back(question.prompt_text);
  };
  ASSERT_TRUE(generate_answers(engine_, all, options).ok());
  ASSERT_EQ(reported.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(reported[i], all[i].prompt_text);
}

TEST_F(GenerateAnswersTest, WhenStoppedItGivesWhatItHas) {
  const std::vector<Question> all = questions(5);
  int answered = 0;
  const GenerateOptions options{.at_once = 2,
                                .stop = [&] { return answered == 3; },
                                .on_answer = [&](const Question&, const Answer&) { ++answered; }};
  std::vector<Answer> expected = alone(all);
  expected.resize(3);
  EXPECT_EQ(generate_answers(engine_, all, options).value(), expected);
  EXPECT_TRUE(tests::becomes_idle(engine_));
}

TEST_F(GenerateAnswersTest, NoQuestionsHaveNoAnswers) {
  EXPECT_TRUE(generate_answers(engine_, {}, {}).value().empty());
}

TEST_F(GenerateAnswersTest, AQuestionThatCannotBeAskedIsNamed) {
  std::vector<Question> all = questions(3);
  all[1].prompt = {token_part(std::vector<int>(1000, 5))};
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
