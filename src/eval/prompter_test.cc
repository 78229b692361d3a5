// SPDX-License-Identifier: Apache-2.0
#include "eval/prompter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "corpus/sample.h"
#include "tests/model_maker.h"

namespace redknot::eval {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kTemplate[] =
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

corpus::Task asked() {
  corpus::Task task{.kind = "facts", .answers = {"Velk", "in Velk"}};
  task.sample = {.system = "Be brief.",
                 .documents = {"Ana lives in Velk.", "Velk is old."},
                 .turns = {{.question = "Where does Ana live?", .answer = "Velk"}}};
  return task;
}

class PrompterTest : public testing::Test {
 protected:
  Prompter open(const std::string& source, bool raw = false) const {
    ModelInfo model = ModelFile::open(model_.path()).value().info();
    model.chat_template = source;
    return Prompter::open(model, tokenizer_, raw).value();
  }
  std::string text_of(const std::vector<int>& tokens) const {
    return tokenizer_.detokenize(tokens, /*show_special=*/true).value();
  }

  tests::ModelOnDisk model_{{.shape = tests::small_shape(Architecture::kLlama)}};
  Tokenizer tokenizer_ = Tokenizer::open(model_.path()).value();
};

TEST_F(PrompterTest, AModelWithATemplateIsAskedThroughIt) {
  const Prompter prompter = open(kTemplate);
  EXPECT_EQ(prompter.style(), PromptStyle::kChat);
  const Question question = prompter.question(asked()).value();
  EXPECT_THAT(question.prompt_text,
              HasSubstr("<system>Be brief.</><user>Ana lives in Velk.\n\n"
                        "Velk is old.\n\nWhere does Ana live?</><assistant>"));
  EXPECT_TRUE(question.stop.empty());
  EXPECT_EQ(text_of(question.gold), "Velk");
  EXPECT_EQ(question.task.answers, asked().answers);
}

TEST_F(PrompterTest, DocumentsAreReusableAndHaveTheSameTokensAnywhere) {
  for (const char* source : {kTemplate, ""}) {
    corpus::Task task = asked();
    const auto documents = [&] {
      std::vector<std::vector<int>> out;
      const Question question = open(source).question(task).value();
      for (const PromptPart& part : question.prompt) {
        if (part.reusable) out.push_back(part.tokens);
      }
      return out;
    };
    const auto before = documents();
    ASSERT_EQ(before.size(), 2u) << source;
    std::swap(task.sample.documents[0], task.sample.documents[1]);
    EXPECT_EQ(documents(), (std::vector<std::vector<int>>{before[1], before[0]})) << source;
    EXPECT_FALSE(open(source).question(task)->prompt.back().reusable);
  }
}

TEST_F(PrompterTest, RawIsPlainText) {
  const Prompter prompter = open(kTemplate, /*raw=*/true);
  EXPECT_EQ(prompter.style(), PromptStyle::kPlain);
  const Question question = prompter.question(asked()).value();
  EXPECT_THAT(question.prompt_text, StartsWith("Be brief.\n\nDocument: Ana lives in Velk.\n\n"));
  EXPECT_EQ(question.stop, std::vector<std::string>{"\n"});
  EXPECT_EQ(text_of(question.gold), " Velk");
}

TEST_F(PrompterTest, ATemplateWithoutSystemHasItInFrontOfTheQuestion) {
  const Prompter prompter =
      open(std::string("{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}"
                       "{% endif %}") +
           kTemplate);
  const auto question = prompter.question(asked());
  ASSERT_TRUE(question.ok()) << question.error().message();
  EXPECT_THAT(question->prompt_text, HasSubstr("Be brief.\n\nWhere does Ana live?</><assistant>"));
}

TEST_F(PrompterTest, PromptsBeginAsTheEngineWouldBeginThem) {
  ModelInfo model = ModelFile::open(model_.path()).value().info();
  model.add_bos = true;
  model.bos = 7;
  const Prompter prompter = Prompter::open(model, tokenizer_, true).value();
  const Question question = prompter.question(asked()).value();
  EXPECT_EQ(question.prompt.front().tokens.front(), 7);
  int tokens = 0;
  for (const PromptPart& part : question.prompt) tokens += static_cast<int>(part.tokens.size());
  EXPECT_EQ(question.prompt_tokens, tokens);
}

TEST_F(PrompterTest, WhatCannotBeConstrainedIsRefused) {
  corpus::Task task = asked();
  task.schema = R"({"type": "object", "properties": {"a": {"type": "string"}}})";
  EXPECT_TRUE(open("").question(task)->constraint.has_value());
  task.schema = "{";
  EXPECT_FALSE(open("").question(task).ok());
}

}  // namespace
}  // namespace redknot::eval
