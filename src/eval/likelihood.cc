// SPDX-License-Identifier: Apache-2.0
#include "eval/likelihood.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "base/check.h"

namespace redknot::eval {
namespace {

constexpr std::size_t kWholePages = 128;  // tokens: a multiple of every size of pages

// To log-softmax.
void normalise_row(std::span<float> row) {
  const float peak = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(double{x} - peak);
  const auto shift = static_cast<float>(peak + std::log(sum));
  for (float& x : row) x -= shift;
}

}  // namespace

std::vector<PromptPart> as_one_part(const Question& question) {
  std::vector<int> tokens;
  for (const PromptPart& part : question.prompt) {
    tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
  }
  REDKNOT_CHECK(!tokens.empty());
  const auto cut = static_cast<std::ptrdiff_t>((tokens.size() - 1) / kWholePages * kWholePages);
  std::vector<PromptPart> parts;
  if (cut > 0) {
    parts.push_back(token_part({tokens.begin(), tokens.begin() + cut}));
    parts.back().reusable = true;
  }
  parts.push_back(token_part({tokens.begin() + cut, tokens.end()}));
  return parts;
}

Request predicting(std::vector<PromptPart> prompt, std::span<const int> tokens) {
  REDKNOT_CHECK(!tokens.empty());
  Request request{.prompt = std::move(prompt), .reuse = Reuse::kSegment};
  if (tokens.size() > 1) request.prompt.push_back(token_part({tokens.begin(), tokens.end() - 1}));
  request.max_tokens = 0;
  request.all_logits = true;
  request.sampling.temperature = 0;
  return request;
}

void normalise_rows(std::span<float> rows, std::size_t vocabulary_size) {
  REDKNOT_CHECK(rows.size() % vocabulary_size == 0);
  for (std::size_t first = 0; first < rows.size(); first += vocabulary_size) {
    normalise_row(rows.subspan(first, vocabulary_size));
  }
}

double mean_log_probability(std::span<const float> rows, std::span<const int> tokens) {
  REDKNOT_CHECK(!tokens.empty() && rows.size() % tokens.size() == 0);
  const std::size_t vocabulary_size = rows.size() / tokens.size();
  double sum = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    sum += rows[i * vocabulary_size + static_cast<std::size_t>(tokens[i])];
  }
  return sum / static_cast<double>(tokens.size());
}

}  // namespace redknot::eval
