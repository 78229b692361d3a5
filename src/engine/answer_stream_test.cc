// SPDX-License-Identifier: Apache-2.0
// What events of a sequence become, with events made by hand.
#include "engine/answer_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/small_vocabularies.h"

namespace redknot {
namespace {

using testing::HasSubstr;
using Kind = SequenceEvent::Kind;
using Strings = std::vector<std::string>;

constexpr int kPromptTokens = 7;

text::Tokenizer create(Vocabulary vocabulary) {
  return std::move(text::Tokenizer::create(std::move(vocabulary))).value();
}

SequenceEvent token_event(int token, bool is_last = false) {
  return {.kind = Kind::kToken, .token = {.token = TokenId{token}}, .is_last = is_last};
}

SequenceEvent failed_event() { return {.kind = Kind::kFailed, .token = {.usable = false}}; }

// Tokens are bytes: a byte's id is the byte.
class AnswerStreamTest : public testing::Test {
 protected:
  AnswerStream stream(Request request, int vocabulary_size = 300) {
    model_ = {.tokenizer = &tokenizer_,
              .vocabulary_size = vocabulary_size,
              .pages = {.page_tokens = 16, .head_dim = 16}};
    return AnswerStream({.request = std::move(request),
                         .prompt_tokens = kPromptTokens,
                         .submitted = std::chrono::steady_clock::now(),
                         .state = state_,
                         .vocabulary = &vocabulary_},
                        model_);
  }

  // The texts of the pieces of some bytes, the last of which ends the answer.
  static Strings texts(AnswerStream& stream, std::string_view bytes) {
    Strings out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      const auto piece = stream.take(token_event(byte, i + 1 == bytes.size()));
      out.push_back(piece.value().text);
      if (piece->finish != FinishReason::kNone) break;
    }
    return out;
  }

  static void expect_ends(AnswerStream& stream, const SequenceEvent& event, FinishReason reason) {
    const auto piece = stream.take(event);
    ASSERT_TRUE(piece);
    EXPECT_EQ(piece->finish, reason);
  }

  const text::Tokenizer tokenizer_ = create(text::small_byte_level_vocabulary());
  const ConstrainedVocabulary vocabulary_{tokenizer_, 300};
  const int end_ = static_cast<int>(*tokenizer_.vocabulary().eos);
  AnswerModel model_;
  std::shared_ptr<Generation::State> state_ = std::make_shared<Generation::State>(nullptr);
};

TEST_F(AnswerStreamTest, CharactersAreHeldBackUntilTheyAreWhole) {
  AnswerStream answer = stream({});
  EXPECT_EQ(texts(answer, "a\u00e9\u20acb"), (Strings{"a", "", "\u00e9", "", "", "\u20ac", "b"}));
}

TEST_F(AnswerStreamTest, ACharacterThatIsCutShortIsReplacedAtTheEnd) {
  AnswerStream answer = stream({});
  EXPECT_EQ(texts(answer, "a\xe2\x82"), (Strings{"a", "", "\ufffd"}));
  AnswerStream other = stream({});
  ASSERT_TRUE(other.take(token_event(0xe2)));
  const auto piece = other.take(token_event(end_));
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->text, "\ufffd");
  EXPECT_EQ(piece->finish, FinishReason::kStop);
}

TEST_F(AnswerStreamTest, AStopStringOverSeveralPiecesIsNeverSaid) {
  AnswerStream answer = stream({.stop = {"xyz", "yes!"}});
  EXPECT_EQ(texts(answer, "axybxyz?"), (Strings{"a", "", "", "xyb", "", "", ""}));
  AnswerStream named = stream({.stop = {"xyz", "b"}});
  const auto piece = named.take(token_event('b'));
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->stopped_by, "b");
  EXPECT_EQ(piece->finish, FinishReason::kStop);
  EXPECT_EQ(piece->token, 'b');
  EXPECT_EQ(piece->text, "");
}

TEST_F(AnswerStreamTest, TheBeginningOfAStopStringIsSaidWhenTheAnswerEnds) {
  AnswerStream last = stream({.stop = {"xyz"}});
  EXPECT_EQ(texts(last, "axy"), (Strings{"a", "", "xy"}));
  AnswerStream answer = stream({.stop = {"xyz"}});
  ASSERT_TRUE(answer.take(token_event('x')));
  const auto piece = answer.take(token_event(end_));
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->text, "x");
  EXPECT_EQ(piece->token, -1);
  EXPECT_EQ(piece->stopped_by, "");
}

TEST_F(AnswerStreamTest, FinishReasonsSayWhatEndedIt) {
  AnswerStream length = stream({});
  expect_ends(length, token_event('a'), FinishReason::kNone);
  expect_ends(length, token_event('b', /*is_last=*/true), FinishReason::kLength);
  AnswerStream stop = stream({});
  expect_ends(stop, token_event(end_), FinishReason::kStop);
  EXPECT_EQ(stop.generated(), 1);
  AnswerStream goes_on = stream({.ignore_end = true});
  expect_ends(goes_on, token_event(end_), FinishReason::kNone);
  expect_ends(goes_on, token_event(end_, /*is_last=*/true), FinishReason::kLength);
  AnswerStream prompt = stream({.max_tokens = 0});
  expect_ends(prompt, {.kind = Kind::kEnded}, FinishReason::kLength);
  EXPECT_EQ(prompt.generated(), 0);
  EXPECT_TRUE(prompt.has_whole_prompt());
  AnswerStream failed = stream({});
  EXPECT_EQ(failed.fail({ErrorCode::kCancelled, "closed"}).finish, FinishReason::kError);
  ASSERT_TRUE(state_->error);
  EXPECT_EQ(state_->error->message(), "closed");
}

TEST_F(AnswerStreamTest, ATokenThatCouldNotBeSampledIsAnError) {
  AnswerStream answer = stream({});
  expect_ends(answer, token_event('a'), FinishReason::kNone);
  expect_ends(answer, failed_event(), FinishReason::kError);
  ASSERT_TRUE(state_->error);
  EXPECT_EQ(state_->error->code(), ErrorCode::kCorrupt);
  EXPECT_EQ(state_->error->message(),
            "generate: no token can follow position 7: every logit is NaN or -infinity");
  EXPECT_EQ(answer.generated(), 1);
}

TEST_F(AnswerStreamTest, AConstraintSaysWhatMayFollowUntilItIsComplete) {
  Request request{.constraint = Constraint::json_schema(R"({"const": 12})").value()};
  AnswerStream answer = stream(request);
  RowSample sample;
  answer.close(sample);
  std::vector<int> allowed;
  for (int token = 0; token < 300; ++token) {
    const auto bit = static_cast<std::size_t>(token);
    if (bit / 64 >= sample.allowed.size()) break;
    if ((sample.allowed[bit / 64] >> (bit % 64) & 1) != 0) allowed.push_back(token);
  }
  const auto twelve = tokenizer_.encode("12", {.add_special = false}).value();
  ASSERT_EQ(twelve.size(), 1u);
  EXPECT_EQ(allowed, (std::vector<int>{'1', static_cast<int>(twelve[0])}));
  expect_ends(answer, token_event('1'), FinishReason::kNone);
  expect_ends(answer, token_event('2', /*is_last=*/true), FinishReason::kStop);
  AnswerStream none = stream(request);
  none.close(sample);
  expect_ends(none, failed_event(), FinishReason::kError);
  ASSERT_TRUE(state_->error);
  EXPECT_EQ(state_->error->code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      state_->error->message(),
      "generate: no token can follow position 6: none that the constraint allows is possible");
}

TEST_F(AnswerStreamTest, WithoutConstraintNothingIsSaidOfASample) {
  AnswerStream answer = stream({});
  RowSample sample{.row = 3, .position = 8};
  answer.close(sample);
  EXPECT_EQ(sample, (RowSample{.row = 3, .position = 8}));
}

// As in grammar/token_masker_test.cc: too many ways to read what the answer is so far.
TEST_F(AnswerStreamTest, AnErrorOfTheConstraintEndsTheAnswerWithItsNextEvent) {
  std::string schema = R"({"anyOf": [)";
  for (int i = 0; i < 1500; ++i) {
    schema +=
        (i > 0 ? "," : "") + std::string(R"({"pattern": "^[a-z\"]*)") + std::to_string(i) + "$\"}";
  }
  Vocabulary large = text::small_byte_level_vocabulary();
  for (char a = 'a'; a <= 'z'; ++a) {
    for (char b = 'a'; b <= 'z'; ++b) {
      for (char c = 'a'; c <= 'z'; ++c)
        text::add_token(large, std::string{a, b, c, a}, TokenKind::kNormal);
    }
  }
  const int size = static_cast<int>(large.tokens.size());
  const text::Tokenizer tokenizer = create(std::move(large));
  const ConstrainedVocabulary vocabulary(tokenizer, size);
  const AnswerModel model{.tokenizer = &tokenizer, .vocabulary_size = size, .pages = {}};
  AnswerStream answer({.request = {.constraint = Constraint::json_schema(schema + "]}").value()},
                       .prompt_tokens = kPromptTokens,
                       .state = state_,
                       .vocabulary = &vocabulary},
                      model);
  RowSample sample;
  answer.close(sample);
  EXPECT_FALSE(sample.allowed.empty());
  expect_ends(answer, token_event('"'), FinishReason::kNone);
  expect_ends(answer, token_event('a'), FinishReason::kNone);
  sample.allowed.clear();
  answer.close(sample);
  EXPECT_TRUE(sample.allowed.empty());
  expect_ends(answer, token_event('b'), FinishReason::kError);
  ASSERT_TRUE(state_->error);
  EXPECT_EQ(state_->error->code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(state_->error->message(), HasSubstr("too many ways"));
  EXPECT_EQ(answer.generated(), 2);
}

TEST_F(AnswerStreamTest, LogitsComeWithTokensAndWithoutThem) {
  AnswerStream answer = stream({.all_logits = true}, /*vocabulary_size=*/3);
  EXPECT_FALSE(answer.take({.kind = Kind::kComputed}));
  const std::vector<float> two = {1, 2, 3, 4, 5, 6};
  const auto rows = answer.take({.kind = Kind::kComputed, .logits = two});
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->logit_rows, 2);
  EXPECT_EQ(rows->logits, two);
  EXPECT_EQ(rows->token, -1);
  EXPECT_EQ(rows->finish, FinishReason::kNone);
  EXPECT_FALSE(answer.has_whole_prompt());
  SequenceEvent with_token = token_event('a');
  with_token.logits = {7, 8, 9};
  const auto token = answer.take(std::move(with_token));
  ASSERT_TRUE(token);
  EXPECT_EQ(token->logit_rows, 1);
  EXPECT_EQ(token->text, "a");
}

TEST_F(AnswerStreamTest, ProbabilitiesHaveTheTextOfTheirTokens) {
  Request request;
  request.sampling.log_probabilities = 2;
  AnswerStream answer = stream(request);
  SequenceEvent event = token_event('b');
  event.token.log_probability = -1.5f;
  event.token.top = {{TokenId{'a'}, -0.5f}, {TokenId{100'000}, -1.0f}};
  const auto piece = answer.take(std::move(event));
  ASSERT_TRUE(piece && piece->probability);
  EXPECT_EQ(piece->probability->text, "b");
  EXPECT_EQ(piece->probability->log_probability, -1.5f);
  ASSERT_EQ(piece->top.size(), 2u);
  EXPECT_EQ(piece->top[0].text, "a");
  EXPECT_EQ(piece->top[1].token, 100'000);
  EXPECT_EQ(piece->top[1].text, "");
}

TEST_F(AnswerStreamTest, UsageIsThereBeforeThePiece) {
  AnswerStream answer = stream({});
  EXPECT_FALSE(answer.take({.kind = Kind::kAdmitted}));
  EXPECT_TRUE(answer.has_begun());
  SequenceUsage took;
  took.prompt = {.prefix = 1, .computed = 6, .adopted = 5, .recovered = 4, .built = 3, .flops = 9};
  took.pages.own[index_of(KvFormat::kF16)] = 2;
  took.pages.shared[index_of(KvFormat::kF16)] = 3;
  const std::size_t page_bytes = model_.pages.bytes(KvFormat::kF16);
  const auto first = answer.take(token_event('a'));
  ASSERT_TRUE(first);
  EXPECT_TRUE(answer.tells_pages(*first));
  answer.send(*first, took);
  Usage usage = state_->usage;
  EXPECT_EQ(usage.prompt_tokens, kPromptTokens);
  EXPECT_EQ(usage.prefix_tokens, 1);
  EXPECT_EQ(usage.new_tokens, 6);
  EXPECT_EQ(usage.adopted_tokens, 5);
  EXPECT_EQ(usage.recovered_tokens, 4);
  EXPECT_EQ(usage.built_tokens, 3);
  EXPECT_EQ(usage.flops, 9);
  EXPECT_EQ(usage.generated_tokens, 1);
  EXPECT_EQ(usage.kv_private_bytes, 2 * page_bytes);
  EXPECT_EQ(usage.kv_shared_bytes, 3 * page_bytes);
  EXPECT_GT(usage.queue_seconds, 0);
  EXPECT_LE(usage.queue_seconds, usage.prompt_seconds);
  EXPECT_EQ(usage.generation_seconds, 0);

  const auto second = answer.take(token_event('b'));
  ASSERT_TRUE(second);
  EXPECT_FALSE(answer.tells_pages(*second));
  took.pages = {};
  answer.send(*second, took);
  usage = state_->usage;
  EXPECT_EQ(usage.generated_tokens, 2);
  EXPECT_EQ(usage.kv_private_bytes, 2 * page_bytes);  // as told before
  EXPECT_GT(usage.generation_seconds, 0);

  const auto last = answer.take(token_event('c', /*is_last=*/true));
  ASSERT_TRUE(last);
  EXPECT_TRUE(answer.tells_pages(*last));
  answer.send(*last, took);
  EXPECT_EQ(state_->usage.kv_private_bytes, 0u);
  EXPECT_EQ(state_->pieces.size(), 3u);
}

TEST_F(AnswerStreamTest, ItBeginsOnceAlsoIfItIsPreempted) {
  AnswerStream answer = stream({.max_queue_seconds = 5});
  ASSERT_TRUE(answer.latest_begin());
  EXPECT_LE(*answer.latest_begin(), std::chrono::steady_clock::now() + std::chrono::seconds(5));
  answer.take({.kind = Kind::kAdmitted});
  EXPECT_FALSE(answer.latest_begin());
  Piece piece = answer.take(token_event('a')).value();
  answer.send(piece, {});
  const double waited = state_->usage.queue_seconds;
  answer.take({.kind = Kind::kAdmitted});
  answer.send(piece, {});
  EXPECT_EQ(state_->usage.queue_seconds, waited);
  EXPECT_FALSE(stream({}).latest_begin());
}

TEST_F(AnswerStreamTest, OnlyPiecesWithLogitsRunAheadOfTheirReader) {
  AnswerStream logits = stream({.all_logits = true}), text = stream({});
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(logits.is_ahead_of_reader());
    logits.send(text.take(token_event('a')).value(), {});
  }
  EXPECT_TRUE(logits.is_ahead_of_reader());
  EXPECT_FALSE(text.is_ahead_of_reader());
}

TEST_F(AnswerStreamTest, WithoutTokenizerPiecesHaveNoText) {
  const AnswerModel model{.tokenizer = nullptr, .vocabulary_size = 300, .pages = {}};
  AnswerStream answer({.request = {.stop = {"a"}}, .prompt_tokens = 1, .state = state_}, model);
  const auto piece = answer.take(token_event('a'));
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->text, "");
  EXPECT_EQ(piece->token, 'a');
  expect_ends(answer, token_event(end_, /*is_last=*/true), FinishReason::kLength);
}

}  // namespace
}  // namespace redknot
