// SPDX-License-Identifier: Apache-2.0
// A hostile text before, between or behind documents must not live on in pages that others adopt
// (HijackKV, arXiv 2607.19957): whatever was asked of an engine before, an answer has the bits that
// an engine gives in which only this was ever asked.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "redknot/redknot.h"
#include "tests/answers.h"
#include "tests/model_maker.h"

namespace redknot {
namespace {

using tests::Answer;
using tests::answer;
using tests::read_all;

PromptPart text(int count, std::uint64_t seed) {
  PromptPart part;
  for (const TokenId token : tests::random_tokens(count, 256, seed)) {
    part.tokens.push_back(static_cast<int>(token));
  }
  return part;
}

PromptPart reusable(PromptPart part) {
  part.reusable = true;
  return part;
}

PromptPart system_text() { return text(9, 1); }
PromptPart question() { return text(12, 2); }
// The one that is fought for, and one beside it.
PromptPart document() { return reusable(text(40, 3)); }
PromptPart neighbour() { return reusable(text(33, 4)); }
// As long as a page or two, and no multiple of it.
std::vector<PromptPart> hostile_texts() { return {text(16, 5), text(32, 6), text(45, 7)}; }

// How a request reuses.
struct Terms {
  CanonicalContext context = CanonicalContext::kPrefix;
  RecoveryOptions recovery{};
  std::string salt{};
};

std::vector<Terms> all_terms() {
  const std::vector<RecoveryOptions> policies = {
      {.policy = RecoveryPolicy::kNone},
      {.policy = RecoveryPolicy::kBoundary, .boundary_tokens = 7},
      {.policy = RecoveryPolicy::kDeviation, .ratio = 0.3},
      {.policy = RecoveryPolicy::kElastic, .elastic = {.mass = 0.4, .recent_tokens = 5}},
      {.policy = RecoveryPolicy::kKnot, .ratio = 0.3}};
  std::vector<Terms> out;
  for (const CanonicalContext context : {CanonicalContext::kPrefix, CanonicalContext::kBare}) {
    for (const RecoveryOptions& recovery : policies) out.push_back({context, recovery});
  }
  return out;
}

Request request(std::vector<PromptPart> prompt, const Terms& terms) {
  Request out = tests::greedy_request(1, 1);
  out.prompt = std::move(prompt);
  out.reuse = Reuse::kSegment;
  out.canonical_context = terms.context;
  out.recovery = terms.recovery;
  out.cache_salt = terms.salt;
  out.sampling.log_probabilities = 0;
  return out;
}

// What somebody asks who knows nothing of all this.
std::vector<Request> honest(const Terms& terms) {
  std::vector<Request> out;
  out.push_back(request({system_text(), document(), neighbour(), question()}, terms));
  out.push_back(request({system_text(), neighbour(), document(), question()}, terms));
  out.push_back(request({document(), neighbour(), question()}, terms));
  out.push_back(out.front());
  out.back().reuse = Reuse::kPrefix;
  return out;
}

// What somebody asks to leave something in the pages of the document, without which it would not be
// there.
using Attack = std::function<void(Engine&, const Terms&, const PromptPart& hostile)>;

void ask(Engine& engine, std::vector<PromptPart> prompt, const Terms& terms) {
  answer(engine, request(std::move(prompt), terms));
}

std::vector<std::pair<const char*, Attack>> attacks() {
  return {
      {"text before it",
       [](Engine& engine, const Terms& terms, const PromptPart& hostile) {
         ask(engine, {hostile, document(), neighbour(), question()}, terms);
         ask(engine, {system_text(), hostile, document(), neighbour(), question()}, terms);
       }},
      {"a document before it",
       [](Engine& engine, const Terms& terms, const PromptPart& hostile) {
         ask(engine, {reusable(hostile), document(), neighbour(), question()}, terms);
         ask(engine, {system_text(), reusable(hostile), document(), neighbour(), question()},
             terms);
       }},
      {"text between documents",
       [](Engine& engine, const Terms& terms, const PromptPart& hostile) {
         ask(engine, {system_text(), neighbour(), hostile, document(), question()}, terms);
         ask(engine, {system_text(), document(), hostile, neighbour(), question()}, terms);
       }},
      {"another question, which other pages are recovered for",
       [](Engine& engine, const Terms& terms, const PromptPart& hostile) {
         ask(engine, {system_text(), document(), neighbour(), hostile}, terms);
         ask(engine, {system_text(), neighbour(), document(), hostile, question()}, terms);
       }},
      {"more recovered of it",
       [](Engine& engine, Terms terms, const PromptPart& hostile) {
         terms.recovery = {.policy = RecoveryPolicy::kBoundary, .ratio = 1};
         ask(engine, {system_text(), reusable(hostile), document(), neighbour(), question()},
             terms);
         ask(engine, {system_text(), neighbour(), document(), question()}, terms);
       }},
      {"a conversation that it is the end of",
       [](Engine& engine, const Terms& terms, const PromptPart& hostile) {
         Request first = request({system_text(), hostile}, terms);
         first.prompt.push_back(token_part(answer(engine, first).tokens));
         first.prompt.push_back(document());
         first.prompt.push_back(question());
         answer(engine, first);
       }},
      {"the same tokens, as text",
       [](Engine& engine, const Terms& terms, const PromptPart& hostile) {
         PromptPart plain = document();
         plain.reusable = false;
         Request asked = request({system_text(), hostile, plain, question()}, terms);
         answer(engine, asked);
         asked.reuse = Reuse::kPrefix;
         answer(engine, asked);
       }},
      {"a pin of it behind the text",
       [](Engine& engine, const Terms& terms, const PromptPart& hostile) {
         for (const CanonicalContext context :
              {CanonicalContext::kPrefix, CanonicalContext::kBare}) {
           Generation built = engine
                                  .preload({hostile, document()},
                                           {.canonical_context = context, .cache_salt = terms.salt})
                                  .value();
           read_all(built);
           ASSERT_TRUE(engine.pin_segment(terms.salt, Engine::segment_id(document().tokens), 1000));
         }
       }},
      {"leaving while it is computed",
       [](Engine& engine, const Terms& terms, const PromptPart& hostile) {
         for (int i = 0; i < 3; ++i) {
           // Not read, it is cancelled here.
           ASSERT_TRUE(
               engine.generate(request({hostile, document(), neighbour(), question()}, terms))
                   .ok());
         }
       }},
  };
}

class HijackTest : public testing::Test {
 protected:
  Engine open() const {
    EngineOptions options = tests::small_engine(model_.path());
    options.segment_tokens = 1024;
    return Engine::open(options).value();
  }
  std::vector<Answer> fresh_answers(const Terms& terms) const {
    std::vector<Answer> out;
    for (const Request& one : honest(terms)) {
      Engine fresh = open();
      out.push_back(answer(fresh, one));
    }
    return out;
  }
  static void expect_answers(Engine& engine, const Terms& terms,
                             const std::vector<Answer>& expected) {
    const std::vector<Request> asked = honest(terms);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      EXPECT_EQ(answer(engine, asked[i]), expected[i]) << "request " << i;
    }
  }

  tests::ModelOnDisk model_{
      {.shape = tests::small_shape(Architecture::kQwen3), .type = "Q8_0", .seed = 7}};
};

// Or nothing here could fail.
TEST_F(HijackTest, WhatStandsBeforeADocumentChangesWhatItsPagesSay) {
  const Terms terms{.recovery = {.policy = RecoveryPolicy::kNone}};
  Engine engine = open();
  const std::vector<PromptPart> hostile = hostile_texts();
  std::vector<Answer> answers;
  for (const PromptPart& before : {system_text(), hostile[0], hostile[1]}) {
    answers.push_back(answer(engine, request({before, document(), question()}, terms)));
  }
  EXPECT_NE(answers[0].log_probabilities, answers[1].log_probabilities);
  EXPECT_NE(answers[1].log_probabilities, answers[2].log_probabilities);
}

TEST_F(HijackTest, NothingThatWasAskedBeforeChangesAnAnswer) {
  for (const Terms& terms : all_terms()) {
    const std::vector<Answer> expected = fresh_answers(terms);
    Engine all = open();
    for (const auto& [name, attack] : attacks()) {
      SCOPED_TRACE(testing::Message() << name << ", policy " << redknot::name(terms.recovery.policy)
                                      << ", context " << static_cast<int>(terms.context));
      Engine one = open();
      for (const PromptPart& hostile : hostile_texts()) {
        attack(one, terms, hostile);
        attack(all, terms, hostile);
      }
      expect_answers(one, terms, expected);
    }
    SCOPED_TRACE("all of them");
    expect_answers(all, terms, expected);
  }
}

TEST_F(HijackTest, AnotherSaltFindsNothingOfIt) {
  for (const Terms& terms : all_terms()) {
    const std::vector<Answer> expected = fresh_answers(terms);
    Engine engine = open();
    Terms other = terms;
    other.salt = "hostile";
    for (const auto& [name, attack] : attacks()) {
      for (const PromptPart& hostile : hostile_texts()) attack(engine, other, hostile);
    }
    for (const Request& one : honest(other)) answer(engine, one);
    const Answer first = answer(engine, honest(terms).front());
    EXPECT_EQ(first, expected.front());
    EXPECT_EQ(first.usage.built_tokens, expected.front().usage.built_tokens);
    expect_answers(engine, terms, expected);
    EXPECT_EQ(engine.pin_segment("", Engine::segment_id(text(16, 5).tokens), 1), false);
  }
}

}  // namespace
}  // namespace redknot
