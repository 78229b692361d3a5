// SPDX-License-Identifier: Apache-2.0
#include "profiler/dense_comparison.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "engine/profile_choice.h"
#include "heads/visibility.h"
#include "kv/peak_pages.h"

namespace redknot {
namespace {

// Floats of logits that are kept of a chunk, at most.
constexpr int kChunkFloats = 8 << 20;
constexpr int kMostChunkTokens = 256;

int chunk_tokens(int vocabulary) {
  return std::clamp(kChunkFloats / vocabulary, 16, kMostChunkTokens);
}

HeadProfile all_f16(const ModelConfig& config) {
  return uniform_profile(config.layers, config.kv_heads, {.kv_format = KvFormat::kF16});
}

// Room for a dense sequence and a variant in any format, and for the page of each that is copied
// when they share a part.
PageCounts pages_for(const ModelConfig& config, int page_tokens, int context_tokens) {
  const PageShape shape{.page_tokens = page_tokens, .head_dim = config.head_dim};
  const int one =
      peak_pages(all_f16(config), shape, context_tokens + page_tokens, 1)[index_of(KvFormat::kF16)];
  PageCounts pages{};
  pages[index_of(KvFormat::kF16)] = 2 * one;
  pages[index_of(KvFormat::kQ8)] = one;
  pages[index_of(KvFormat::kF32)] = one;
  pages[index_of(KvFormat::kK8V4)] = one;
  return pages;
}

}  // namespace

DenseComparison::DenseComparison(std::unique_ptr<EngineCore> core, HeadProfile dense)
    : core_(std::move(core)), dense_(std::move(dense)) {}

Result<DenseComparison> DenseComparison::open(const EngineOptions& options) {
  CoreOptions core_options;
  core_options.pages = [&options](const Model& model, const HeadProfile&, int context_tokens) {
    return pages_for(model.config(), options.page_tokens, context_tokens);
  };
  core_options.key_bounds = true;  // whatever classes the variants have
  core_options.logit_rows = [](const Model& model) {
    return chunk_tokens(model.config().vocabulary_size);
  };
  REDKNOT_TRY(std::unique_ptr<EngineCore> core, EngineCore::open(options, core_options));
  HeadProfile dense = all_f16(core->model().config());
  return DenseComparison(std::move(core), std::move(dense));
}

std::vector<float> DenseComparison::advance(SingleSequence& kv, std::span<const TokenId> tokens,
                                            int first, int end, int compared) {
  REDKNOT_CHECK(kv.length() == first);
  const auto count = static_cast<std::size_t>(end - first);
  return kv.advance(tokens.subspan(static_cast<std::size_t>(first), count), compared - first);
}

void DenseComparison::compare_step(const ComparedText& text, int first, int end,
                                   const Reference& reference, SingleSequence& other,
                                   DivergenceSum& sum) {
  const auto vocabulary = static_cast<std::size_t>(model().config().vocabulary_size);
  const int begin = std::max(first, reference.first);
  const std::vector<float> found = advance(other, text.tokens, first, end, begin);
  for (int position = begin; position < end; ++position) {
    const auto wanted_at = static_cast<std::size_t>(position - reference.first) * vocabulary;
    const auto found_at = static_cast<std::size_t>(position - begin) * vocabulary;
    const auto next = static_cast<std::size_t>(position) + 1;
    const int follows = next < text.tokens.size() ? static_cast<int>(text.tokens[next]) : -1;
    sum.add({.logits = reference.logits.subspan(wanted_at, vocabulary), .next = follows},
            std::span(found).subspan(found_at, vocabulary));
  }
}

int DenseComparison::chunk() const {
  return std::min(chunk_tokens(model().config().vocabulary_size), core_->max_step_tokens());
}

std::vector<float> DenseComparison::predict(SingleSequence kv, const ComparedText& text,
                                            std::size_t most_floats) {
  const int tokens = static_cast<int>(text.tokens.size());
  const auto compared = static_cast<std::size_t>(tokens - text.first_compared);
  if (compared * static_cast<std::size_t>(model().config().vocabulary_size) > most_floats)
    return {};
  std::vector<float> logits;
  logits.reserve(compared * static_cast<std::size_t>(model().config().vocabulary_size));
  for (int first = kv.length(), end = first; first < tokens; first = end) {
    end = std::min(tokens, first + chunk());
    const auto part = advance(kv, text.tokens, first, end, std::max(first, text.first_compared));
    logits.insert(logits.end(), part.begin(), part.end());
  }
  return logits;
}

std::vector<float> DenseComparison::predict(const ComparedText& text, std::size_t most_floats) {
  const int tokens = static_cast<int>(text.tokens.size());
  REDKNOT_CHECK(tokens <= context_tokens() && text.first_compared < tokens);
  return predict(sequence(dense_), text, most_floats);
}

void DenseComparison::pass_dense(std::span<const TokenId> tokens) {
  const int count = static_cast<int>(tokens.size());
  REDKNOT_CHECK(count >= 1 && count <= context_tokens());
  SingleSequence kv = sequence(dense_);
  for (int first = 0; first < count; first += core_->max_step_tokens()) {
    advance(kv, tokens, first, std::min(count, first + core_->max_step_tokens()), count);
  }
}

DivergenceSum DenseComparison::compare(const ComparedText& text, const HeadProfile& variant,
                                       const How& how) {
  return compare(text, sequence(dense_), sequence(variant), how);
}

std::vector<DivergenceSum> DenseComparison::compare_behind(int shared, const ComparedText& text,
                                                           std::span<const HeadProfile> variants) {
  REDKNOT_CHECK(shared >= 0 && shared <= text.first_compared);
  SingleSequence dense = sequence(dense_);
  for (int first = 0; first < shared; first += core_->max_step_tokens()) {
    advance(dense, text.tokens, first, std::min(shared, first + core_->max_step_tokens()), shared);
  }
  const std::vector<float> logits = predict(dense.fork(), text, kMostKeptFloats);
  std::vector<DivergenceSum> sums;
  for (const HeadProfile& variant : variants) {
    sums.push_back(compare(text, dense.fork(), dense.fork(variant), {.dense = logits}));
  }
  return sums;
}

DivergenceSum DenseComparison::compare(const ComparedText& text, SingleSequence dense,
                                       SingleSequence other, const How& how) {
  const int tokens = static_cast<int>(text.tokens.size());
  REDKNOT_CHECK(tokens <= context_tokens());
  const auto vocabulary = static_cast<std::size_t>(model().config().vocabulary_size);
  const int step = how.step_tokens == 0 ? chunk() : std::min(how.step_tokens, chunk());
  DivergenceSum sum;
  for (int first = dense.length(), end = first; first < tokens; first = end) {
    end = std::min(tokens, first + chunk());
    Reference reference{.first = std::max(first, text.first_compared)};
    std::vector<float> wanted;
    if (how.dense.empty()) {
      wanted = advance(dense, text.tokens, first, end, reference.first);
      reference.logits = wanted;
    } else {
      const auto known = static_cast<std::size_t>(reference.first - text.first_compared);
      reference.logits = how.dense.subspan(std::min(known * vocabulary, how.dense.size()));
    }
    for (int begin = first; begin < end; begin += step) {
      compare_step(text, begin, std::min(end, begin + step), reference, other, sum);
    }
  }
  return sum;
}

std::size_t kv_bytes(const HeadProfile& profile, const PageShape& pages, int tokens) {
  const PageShape shape = page_shape(profile, pages.page_tokens, pages.head_dim);
  return shape.bytes(peak_pages(profile, shape, tokens, 1));
}

std::size_t kv_bytes_read(const HeadProfile& profile, const PageShape& pages, int tokens) {
  const PageShape plain{.page_tokens = pages.page_tokens, .head_dim = pages.head_dim};
  double bytes = 0;
  for (const HeadPolicy& policy : profile.policies) {
    const auto seen = static_cast<double>(most_attended(policy, tokens, pages.page_tokens));
    bytes += seen * static_cast<double>(plain.bytes(policy.kv_format)) / pages.page_tokens;
    if (selected_pages(policy) > 0) bytes += 4.0 * pages.head_dim * tokens / pages.page_tokens;
  }
  return static_cast<std::size_t>(bytes);
}

}  // namespace redknot
