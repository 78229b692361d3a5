// SPDX-License-Identifier: Apache-2.0
// What an Engine answers, through the public header alone, on small random models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <thread>

#include "redknot/redknot.h"
#include "tests/answers.h"
#include "tests/model_maker.h"

namespace redknot {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::Answer;
using tests::answer;
using tests::greedy_request;
using tests::ModelOnDisk;
using tests::read_all;
using tests::small_engine;
using tests::small_shape;

constexpr int kVocabulary = 300;
constexpr int kBos = 297, kEos = 299;  // of the random vocabularies

class EngineTest : public testing::Test {
 protected:
  Engine open() { return Engine::open(small_engine(model_.path())).value(); }

  ModelOnDisk model_{{.shape = small_shape(Architecture::kLlama), .type = "Q8_0", .seed = 7}};
};

// Requests that differ in length, and in what they ask for.
std::vector<Request> various_requests() {
  std::vector<Request> requests;
  for (const int length : {1, 70, 16, 33, 5}) {
    Request request = greedy_request(length, static_cast<std::uint64_t>(length));
    request.sampling.log_probabilities = 0;
    requests.push_back(request);
  }
  requests[1].all_logits = true;
  requests[2].sampling.temperature = 1.0f;
  requests[2].sampling.seed = 9;
  requests[3].max_tokens = 0;
  return requests;
}

std::vector<Answer> answers_alone(Engine& engine, const std::vector<Request>& requests) {
  std::vector<Answer> answers;
  for (const Request& request : requests) answers.push_back(answer(engine, request));
  return answers;
}

TEST_F(EngineTest, AnswersAreTheSameBitsForAnyBatchThreadsAndStepSize) {
  Engine alone = open();
  const std::vector<Request> requests = various_requests();
  const std::vector<Answer> expected = answers_alone(alone, requests);
  for (const int threads : {1, 2}) {
    for (const int step_tokens : {3, 64, 512}) {
      EngineOptions options = small_engine(model_.path());
      options.threads = threads;
      options.max_step_tokens = step_tokens;
      Engine engine = Engine::open(options).value();
      std::vector<Generation> generations;
      for (const Request& request : requests) {
        generations.push_back(engine.generate(request).value());
      }
      for (std::size_t i = 0; i < generations.size(); ++i) {
        EXPECT_TRUE(read_all(generations[i]) == expected[i])
            << "request " << i << ", threads " << threads << ", step " << step_tokens;
      }
    }
  }
}

TEST_F(EngineTest, PageSizesDifferInRoundingOnly) {
  const ModelOnDisk model({.shape = small_shape(Architecture::kQwen3), .type = "F32", .seed = 8});
  Request request = greedy_request(100, 4);
  request.all_logits = true;
  request.max_tokens = 0;
  std::vector<float> first;
  for (const int page_tokens : {16, 32, 64, 128}) {
    EngineOptions options = small_engine(model.path());
    options.page_tokens = page_tokens;
    options.kv = std::nullopt;  // f32
    Engine engine = Engine::open(options).value();
    const Answer got = answer(engine, request);
    ASSERT_EQ(got.logits.size(), 100u * kVocabulary);
    if (first.empty()) first = got.logits;
    for (std::size_t i = 0; i < first.size(); ++i) ASSERT_NEAR(got.logits[i], first[i], 1e-4);
  }
}

TEST_F(EngineTest, GreedyTokensAreThoseOfTheLargestLogit) {
  Engine engine = open();
  Request request = greedy_request(10, 1);
  request.all_logits = true;
  const Answer got = answer(engine, request);
  ASSERT_EQ(got.tokens.size(), 20u);
  for (std::size_t i = 0; i < got.tokens.size(); ++i) {
    const auto row = got.logits.begin() + static_cast<std::ptrdiff_t>((9 + i) * kVocabulary);
    EXPECT_EQ(std::max_element(row, row + kVocabulary) - row, got.tokens[i]) << i;
  }
}

TEST_F(EngineTest, AllLogitsGivesARowForEveryPositionThatIsComputed) {
  Engine engine = open();
  for (const auto& [prompt, generated] : {std::pair(1, 0), {1, 1}, {100, 0}, {100, 20}}) {
    Request request = greedy_request(prompt, 2);
    request.all_logits = true;
    request.max_tokens = generated;
    const Answer got = answer(engine, request);
    // The last generated token is never fed back.
    const int rows = prompt + std::max(0, generated - 1);
    EXPECT_EQ(got.logit_rows, rows);
    EXPECT_EQ(got.logits.size(), static_cast<std::size_t>(rows) * kVocabulary);
    EXPECT_EQ(got.tokens.size(), static_cast<std::size_t>(generated));
  }
}

TEST_F(EngineTest, AReaderThatIsSlowHoldsUpItselfAlone) {
  Engine engine = open();
  Request request = greedy_request(200, 3);
  request.all_logits = true;
  request.max_tokens = 10;
  Generation slow = engine.generate(request).value();
  const Answer other = answer(engine, greedy_request(20, 4));
  EXPECT_EQ(other.tokens.size(), 20u);
  EXPECT_EQ(read_all(slow).logit_rows, 209);
}

TEST_F(EngineTest, MaxTokensZeroComputesThePromptAlone) {
  Engine engine = open();
  Request request = greedy_request(40, 5);
  request.max_tokens = 0;
  const Answer got = answer(engine, request);
  EXPECT_EQ(got.finish, FinishReason::kLength);
  EXPECT_TRUE(got.tokens.empty());
  EXPECT_EQ(got.usage.prompt_tokens, 40);
  EXPECT_EQ(got.usage.generated_tokens, 0);
}

TEST_F(EngineTest, AnAnswerEndsWhereTheContextIsFull) {
  Engine engine = open();
  Request request = greedy_request(250, 6);
  for (const int max_tokens : {-1, 100}) {
    request.max_tokens = max_tokens;
    const Answer got = answer(engine, request);
    EXPECT_EQ(got.finish, FinishReason::kLength);
    EXPECT_EQ(got.tokens.size(), 6u);
  }
  request = greedy_request(256, 6);
  request.max_tokens = 1;
  const auto full = engine.generate(request);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code(), ErrorCode::kContextFull);
  ASSERT_TRUE(full.error().context_full());
  EXPECT_EQ(full.error().context_full()->prompt_tokens, 256);
  EXPECT_EQ(full.error().context_full()->context_tokens, 256);
  EXPECT_THAT(full.error().message(), HasSubstr("256 tokens, the context holds 256"));
  request.max_tokens = 0;
  EXPECT_EQ(answer(engine, request).finish, FinishReason::kLength);
}

TEST_F(EngineTest, AStopStringEndsTheAnswerBeforeIt) {
  Engine engine = open();
  Request request = greedy_request(10, 7);
  request.max_tokens = 60;
  const std::string whole = answer(engine, request).text;
  ASSERT_GT(whole.size(), 20u);
  for (const std::size_t length : {1u, 3u, 7u}) {
    const std::string stop = whole.substr(whole.size() / 2, length);
    request.stop = {"never in the text of a random model", stop};
    const Answer got = answer(engine, request);
    EXPECT_EQ(got.finish, FinishReason::kStop);
    EXPECT_EQ(got.text, whole.substr(0, whole.find(stop)));
  }
  EXPECT_TRUE(tests::becomes_idle(engine));
}

TEST_F(EngineTest, AnEndOfGenerationTokenEndsTheAnswerUnlessIgnored) {
  Engine engine = open();
  Request request = greedy_request(10, 8);
  request.ignore_end = false;
  request.sampling.logit_bias = {{kEos, 1000.0f}};
  Answer got = answer(engine, request);
  EXPECT_EQ(got.finish, FinishReason::kStop);
  EXPECT_TRUE(got.tokens.empty());
  request.ignore_end = true;
  got = answer(engine, request);
  EXPECT_EQ(got.finish, FinishReason::kLength);
  EXPECT_THAT(got.tokens, Each(kEos));
  EXPECT_EQ(got.text, "");
  request.show_special = true;
  request.max_tokens = 2;
  EXPECT_EQ(answer(engine, request).text, "<|im_end|><|im_end|>");
}

TEST_F(EngineTest, TextPartsAreTheTokensOfTheirTextAndBosComesOnce) {
  Engine engine = open();
  const std::string text = "the cat and the hat<|im_end|>";
  const std::vector<int> plain = engine.tokenizer()->tokenize(text, false, true).value();
  EXPECT_EQ(plain.back(), kEos);
  std::vector<int> with_bos = {kBos};
  with_bos.insert(with_bos.end(), plain.begin(), plain.end());

  Request request = greedy_request(1, 9);
  const auto answer_to = [&](std::vector<PromptPart> parts) {
    request.prompt = std::move(parts);
    return answer(engine, request);
  };
  const Answer expected = answer_to({token_part(with_bos)});
  EXPECT_EQ(expected.usage.prompt_tokens, static_cast<int>(with_bos.size()));
  EXPECT_TRUE(answer_to({text_part(text)}) == expected);
  EXPECT_TRUE(answer_to({text_part("the cat"), text_part(" and the hat<|im_end|>")}) == expected);
  EXPECT_TRUE(answer_to({text_part("the cat"), token_part({plain.begin() + 2, plain.end()})})
                  .usage.prompt_tokens > 1);
  request.add_bos = false;
  EXPECT_TRUE(answer_to({text_part(text)}) == answer_to({token_part(plain)}));
}

TEST_F(EngineTest, NoBosWhereTheModelAsksForNone) {
  const ModelOnDisk qwen({.shape = small_shape(Architecture::kQwen2), .type = "F16"});
  Engine engine = Engine::open(small_engine(qwen.path())).value();
  Request request = greedy_request(1, 9);
  request.prompt = {text_part("the cat")};
  const auto tokens = engine.tokenizer()->tokenize("the cat", true, true).value();
  EXPECT_EQ(answer(engine, request).usage.prompt_tokens, static_cast<int>(tokens.size()));
}

TEST_F(EngineTest, LogProbabilitiesAreTheLogSoftmaxBestFirst) {
  Engine engine = open();
  Request request = greedy_request(1, 10);
  request.all_logits = true;
  request.max_tokens = 3;
  request.sampling.log_probabilities = 4;
  Generation generation = engine.generate(request).value();
  int pieces = 0;
  while (const std::optional<Piece> piece = generation.next()) {
    ASSERT_EQ(piece->logit_rows, 1);
    ASSERT_EQ(piece->top.size(), 4u);
    double sum = 0.0;
    for (const float logit : piece->logits) sum += std::exp(static_cast<double>(logit));
    float last = 0.0f;
    for (const TokenProbability& one : piece->top) {
      const double logit = piece->logits[static_cast<std::size_t>(one.token)];
      EXPECT_NEAR(one.log_probability, logit - std::log(sum), 1e-4);
      EXPECT_LE(one.log_probability, last);
      last = one.log_probability;
    }
    ASSERT_TRUE(piece->probability);
    EXPECT_EQ(piece->probability->token, piece->token);
    EXPECT_EQ(piece->top[0].token, piece->token);
    ++pieces;
  }
  EXPECT_EQ(pieces, 3);
}

TEST_F(EngineTest, ASeedDecidesTheAnswerWhateverElseRuns) {
  Engine engine = open();
  const auto with_seed = [](std::uint64_t seed) {
    Request request = greedy_request(10, 11);
    request.sampling = {.temperature = 1.5f, .top_k = 0, .top_p = 1.0f, .min_p = 0.0f};
    request.sampling.seed = seed;
    return request;
  };
  const Answer first = answer(engine, with_seed(1));
  Generation again = engine.generate(with_seed(1)).value();
  Generation other = engine.generate(with_seed(2)).value();
  EXPECT_TRUE(read_all(again) == first);
  EXPECT_NE(read_all(other).tokens, first.tokens);
}

TEST_F(EngineTest, ARequestThatCannotBeIsRefusedByTheNameOfItsField) {
  Engine engine = open();
  const auto refusal = [&engine](auto change) {
    Request request = greedy_request(3, 12);
    change(request);
    const auto generation = engine.generate(std::move(request));
    if (generation.ok()) return std::string("accepted");
    EXPECT_EQ(generation.error().code(), ErrorCode::kInvalidArgument);
    return generation.error().message();
  };
  EXPECT_THAT(refusal([](Request& r) { r.prompt.clear(); }), HasSubstr("prompt"));
  EXPECT_THAT(refusal([](Request& r) {
                r.prompt = {text_part("")};
                r.add_bos = false;
              }),
              HasSubstr("prompt has no tokens"));
  EXPECT_THAT(refusal([](Request& r) {
                r.prompt = {token_part({1, kVocabulary})};
              }),
              HasSubstr("prompt token 300 is not in 0..299"));
  EXPECT_THAT(refusal([](Request& r) { r.prompt = {token_part({-1})}; }), HasSubstr("token -1"));
  EXPECT_THAT(refusal([](Request& r) { r.max_tokens = -2; }), HasSubstr("max_tokens"));
  EXPECT_THAT(refusal([](Request& r) { r.stop = {""}; }), HasSubstr("stop string"));
  EXPECT_THAT(refusal([](Request& r) { r.stop.assign(65, "x"); }), HasSubstr("stop strings"));
  EXPECT_THAT(refusal([](Request& r) { r.stop = {std::string(5000, 'x')}; }), HasSubstr("stop"));
  EXPECT_THAT(refusal([](Request& r) { r.sampling.temperature = -1; }), HasSubstr("temperature"));
  EXPECT_THAT(refusal([](Request& r) {
                r.sampling.logit_bias = {{kVocabulary, 1.0f}};
              }),
              HasSubstr("logit_bias"));
  EXPECT_EQ(engine.stats().steps, 0u);
}

TEST_F(EngineTest, OptionsOutOfRangeAreRefusedByName) {
  const auto refusal = [this](auto change) {
    EngineOptions options = small_engine(model_.path());
    change(options);
    const auto engine = Engine::open(options);
    return engine.ok() ? "accepted" : engine.error().message();
  };
  using Options = EngineOptions;
  EXPECT_THAT(refusal([](Options& o) { o.threads = -1; }), HasSubstr("threads"));
  EXPECT_THAT(refusal([](Options& o) { o.threads = 5000; }), HasSubstr("threads"));
  EXPECT_THAT(refusal([](Options& o) { o.context_tokens = -1; }), HasSubstr("context_tokens"));
  EXPECT_THAT(refusal([](Options& o) { o.max_sequences = 0; }), HasSubstr("max_sequences"));
  EXPECT_THAT(refusal([](Options& o) { o.max_step_tokens = 0; }), HasSubstr("max_step_tokens"));
  EXPECT_THAT(refusal([](Options& o) { o.page_tokens = 48; }), HasSubstr("page_tokens"));
  EXPECT_THAT(refusal([](Options& o) { o.kv_bytes = 100; }), HasSubstr("kv_bytes"));
  EXPECT_THAT(refusal([](Options& o) { o.kernels = "avx1024"; }), HasSubstr("avx1024"));
  EXPECT_THAT(refusal([](Options& o) { o.activations = ActivationFormat::kBf16; }),
              HasSubstr("open engine: activations bf16"));
  EXPECT_THAT(refusal([](Options& o) { o.model = "no/such.gguf"; }), HasSubstr("no/such.gguf"));
  EXPECT_THAT(refusal([](Options& o) {
                o.context_tokens = 1 << 24;
                o.max_sequences = 1 << 16;
              }),
              HasSubstr("KV pages"));
}

TEST_F(EngineTest, AModelThatGivesNoNumbersEndsWithAnError) {
  const ModelOnDisk broken({.shape = small_shape(Architecture::kLlama), .type = "F32"});
  {
    std::fstream file(broken.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-4, std::ios::end);  // the last weight of the last matrix
    file.write("\xff\xff\xff\xff", 4);
  }
  Engine engine = Engine::open(small_engine(broken.path())).value();
  const Answer got = answer(engine, greedy_request(3, 13));
  EXPECT_EQ(got.finish, FinishReason::kError);
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code(), ErrorCode::kCorrupt);
  EXPECT_THAT(got.error->message(), HasSubstr("NaN"));
  EXPECT_TRUE(tests::becomes_idle(engine));
}

TEST_F(EngineTest, OpeningTellsHowFarItIsOnTheThreadThatOpens) {
  EngineOptions options = small_engine(model_.path());
  options.threads = 2;
  std::vector<double> fractions;
  const std::thread::id caller = std::this_thread::get_id();
  options.progress = [&](std::string_view activity, double fraction) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_FALSE(activity.empty());
    fractions.push_back(fraction);
  };
  ASSERT_TRUE(Engine::open(options).ok());
  ASSERT_FALSE(fractions.empty());
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_LE(fractions.back(), 1.0);
}

TEST_F(EngineTest, StatsCountWhatWasDone) {
  EngineOptions options = small_engine(model_.path());
  options.threads = 2;
  options.kernels = "reference";
  Engine engine = Engine::open(options).value();
  answer(engine, greedy_request(40, 14));
  ASSERT_TRUE(tests::becomes_idle(engine));
  const Stats stats = engine.stats();
  EXPECT_EQ(stats.kernels, "reference");
  EXPECT_EQ(stats.threads, 2);
  EXPECT_EQ(stats.steps, 2u + 19u);  // the prompt in two, then a token each
  EXPECT_EQ(stats.prompt_tokens, 40u);
  EXPECT_EQ(stats.generated_tokens, 20u);
  // 2 layers x 2 KV heads x 256 / 16 pages x 4 sequences, each of 16 x 16 x 2 halves.
  EXPECT_EQ(stats.total_pages, 256);
  EXPECT_EQ(stats.kv_bytes, 256u * 1024u);
  const ModelFile file = ModelFile::open(model_.path()).value();
  EXPECT_GE(stats.weight_bytes, file.packed_weight_bytes());
  EXPECT_EQ(file.kv_cost(KvFormat::kF16, 16, 256)->bytes_at_context * 4, stats.kv_bytes);
}

}  // namespace
}  // namespace redknot
