// SPDX-License-Identifier: Apache-2.0
#include "load/question_sets.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "load/prompt_body.h"

namespace redknot::load {
namespace {

TEST(QuestionSets, AreReadLineByLine) {
  const auto sets = parse_question_sets(
      R"({"documents": ["one", "two"], "question": "what?", "answer": "this", "other": 3})"
      "\n  \n"
      R"({"system": "be brief", "documents": ["three"],)"
      R"( "turns": [{"kind": "x", "question": "a?", "answer": "b"}, {"question": "c?"}]})");
  ASSERT_TRUE(sets.ok()) << sets.error().message();
  ASSERT_EQ(sets->size(), 2u);
  EXPECT_EQ(*(*sets)[0].documents[1], "two");
  EXPECT_EQ((*sets)[0].questions[0].answer, "this");
  EXPECT_EQ((*sets)[0].system, "");
  EXPECT_EQ((*sets)[1].system, "be brief");
  ASSERT_EQ((*sets)[1].questions.size(), 2u);
  EXPECT_EQ((*sets)[1].questions[1].question, "c?");
  EXPECT_EQ((*sets)[1].questions[1].answer, "");
  EXPECT_TRUE(parse_question_sets("")->empty());
}

TEST(QuestionSets, WrongLinesAreNamed) {
  const std::string good = R"({"documents": ["one"], "question": "what?"})";
  const struct {
    const char *line, *message;
  } cases[] = {
      {"[]", "line 2: not a JSON object"},
      {"{", "line 2: not a JSON object"},
      {R"({"question": "a"})", "line 2: there is no \"documents\""},
      {R"({"documents": "a", "question": "a"})", "line 2: \"documents\" is not a list of texts"},
      {R"({"documents": [], "question": "a"})", "line 2: \"documents\" is not a list of texts"},
      {R"({"documents": ["a", 1], "question": "a"})", "line 2: \"documents\"[1] is not a text"},
      {R"({"documents": ["a"]})", "line 2: there is no \"question\", or it is empty"},
      {R"({"documents": ["a"], "question": 1})", "line 2: \"question\" is not a string"},
      {R"({"documents": ["a"], "turns": []})", "line 2: \"turns\" is not a list of questions"},
      {R"({"documents": ["a"], "turns": [1]})", "line 2: \"turns\"[0] is not an object"},
      {R"({"documents": ["a"], "turns": [{"question": "a", "answer": []}]})",
       "line 2: \"turns\"[0]: \"answer\" is not a string"},
  };
  for (const auto& wrong : cases) {
    const auto sets = parse_question_sets(good + "\n" + wrong.line);
    ASSERT_FALSE(sets.ok()) << wrong.line;
    EXPECT_EQ(sets.error().message(), wrong.message);
  }
}

TEST(QuestionSets, AreAskedWithDocumentsAsAFieldOrAsText) {
  const auto sets = parse_question_sets(
      R"({"system": "be brief", "documents": ["one"], "question": "what?", "answer": "this"})");
  const auto workload =
      make_workload({.mix = Mix::kQuestions, .output_tokens = 9}, {.questions = *sets});
  ASSERT_TRUE(workload.ok());
  PromptOptions options{.model = "m"};
  EXPECT_EQ(prompt_body(workload->conversations[0], 0, {}, TextMaker(), options),
            R"({"model":"m","messages":[{"role":"system","content":"be brief"},)"
            R"({"role":"user","content":"what?"}],"documents":[{"text":"one"}],)"
            R"("max_tokens":9,"temperature":0.0,"stream":true,)"
            R"("stream_options":{"include_usage":true}})");
  options.documents_in_message = true;
  EXPECT_EQ(prompt_body(workload->conversations[0], 0, {}, TextMaker(), options),
            R"({"model":"m","messages":[{"role":"system","content":"be brief"},)"
            R"({"role":"user","content":"one\n\nwhat?"}],"max_tokens":9,"temperature":0.0,)"
            R"("stream":true,"stream_options":{"include_usage":true}})");
  options.endpoint = Endpoint::kCompletions;
  const std::string plain = prompt_body(workload->conversations[0], 0, {}, TextMaker(), options);
  EXPECT_NE(plain.find(R"("prompt":"be brief one what?")"), std::string::npos) << plain;
}

}  // namespace
}  // namespace redknot::load
