// SPDX-License-Identifier: Apache-2.0
#include "tests/answers.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/model_maker.h"
#include "tests/wait.h"

namespace redknot::tests {

EngineOptions small_engine(const std::filesystem::path& model) {
  EngineOptions options;
  options.model = model;
  options.threads = 1;
  options.context_tokens = 256;
  options.max_sequences = 4;
  options.page_tokens = 16;
  options.kv = KvFormat::kF16;
  options.max_step_tokens = 32;
  return options;
}

Request greedy_request(int prompt_tokens, std::uint64_t seed) {
  std::vector<int> tokens;
  for (const TokenId token : random_tokens(prompt_tokens, 256, seed)) {
    tokens.push_back(static_cast<int>(token));
  }
  Request request;
  request.prompt = {token_part(std::move(tokens))};
  request.reuse = Reuse::kNone;
  request.max_tokens = 20;
  request.sampling.temperature = 0.0f;
  request.ignore_end = true;
  return request;
}

bool Answer::operator==(const Answer& other) const {
  return tokens == other.tokens && text == other.text &&
         log_probabilities == other.log_probabilities && logits == other.logits &&
         logit_rows == other.logit_rows && finish == other.finish &&
         error.has_value() == other.error.has_value() &&
         usage.prompt_tokens == other.usage.prompt_tokens &&
         usage.generated_tokens == other.usage.generated_tokens;
}

Answer read_all(Generation& generation) {
  const TimeLimit limit("all of an answer", 4 * kPatienceSeconds);
  Answer answer;
  while (std::optional<Piece> piece = generation.next()) {
    EXPECT_EQ(answer.finish, FinishReason::kNone) << "a piece after the last";
    if (piece->token >= 0) answer.tokens.push_back(piece->token);
    if (piece->probability) answer.log_probabilities.push_back(piece->probability->log_probability);
    answer.text += piece->text;
    answer.logits.insert(answer.logits.end(), piece->logits.begin(), piece->logits.end());
    answer.logit_rows += piece->logit_rows;
    answer.finish = piece->finish;
  }
  EXPECT_NE(answer.finish, FinishReason::kNone) << "no last piece";
  answer.error = generation.error();
  answer.usage = generation.usage();
  return answer;
}

Answer answer(Engine& engine, Request request) {
  Result<Generation> generation = engine.generate(std::move(request));
  if (generation.ok()) return read_all(*generation);
  ADD_FAILURE() << generation.error().message();
  return {};
}

bool becomes_idle(const Engine& engine) {
  return becomes_true([&] {
    const Stats stats = engine.stats();
    return stats.free_pages == stats.total_pages && stats.sequences == 0 && stats.waiting == 0;
  });
}

bool nothing_runs(const Engine& engine) {
  return becomes_true([&] {
    const Stats stats = engine.stats();
    return stats.sequences == 0 && stats.waiting == 0;
  });
}

}  // namespace redknot::tests
