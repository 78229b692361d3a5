// SPDX-License-Identifier: Apache-2.0
#include "profiler/dense_comparison.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "engine/profile_choice.h"
#include "heads/visibility.h"
#include "kv/peak_pages.h"
#include "profiler/converted_fork.h"

namespace redknot {
namespace {

// Floats of the logits of a step, at most: 256 MiB.
constexpr int kStepFloats = 64 << 20;
constexpr int kMostLogitRows = 512;

int logit_rows(int vocabulary) { return std::clamp(kStepFloats / vocabulary, 16, kMostLogitRows); }

// Variants that go on from one prefix in a step, at most.
constexpr int kMostTogether = 16;

// Positions of [first, end).
std::span<const int> within(std::span<const int> positions, int first, int end) {
  const auto begin = std::lower_bound(positions.begin(), positions.end(), first);
  return {begin, std::lower_bound(begin, positions.end(), end)};
}

// All of [first, end).
std::vector<int> all_from(int first, std::size_t end) {
  std::vector<int> out(end - static_cast<std::size_t>(first));
  std::iota(out.begin(), out.end(), first);
  return out;
}

HeadProfile all_f16(const ModelConfig& config) {
  return uniform_profile(config.layers, config.kv_heads, {.kv_format = KvFormat::kF16});
}

// Room for two dense sequences, those that are kept, a variant in any format, and what variants
// that go on together add to what they share.
PageCounts pages_for(const ModelConfig& config, int page_tokens, int context_tokens, int kept) {
  const PageShape shape{.page_tokens = page_tokens, .head_dim = config.head_dim};
  const int one =
      peak_pages(all_f16(config), shape, context_tokens + page_tokens, 1)[index_of(KvFormat::kF16)];
  const int more = config.layers * config.kv_heads * kMostTogether;
  PageCounts pages{};
  for (const KvFormat format : kKvFormats) pages[index_of(format)] = one + more;
  pages[index_of(KvFormat::kF16)] += (1 + kept) * one;
  return pages;
}

}  // namespace

DenseComparison::DenseComparison(std::unique_ptr<EngineCore> core, HeadProfile dense)
    : core_(std::move(core)), dense_(std::move(dense)) {}

std::vector<int> compared_positions(const ComparedText& text) {
  const int count = static_cast<int>(text.tokens.size()) - text.first_compared;
  REDKNOT_CHECK(count > 0 && text.most_compared > 0);
  if (count <= text.most_compared) return all_from(text.first_compared, text.tokens.size());
  const int every = (count + text.most_compared - 1) / text.most_compared;
  std::vector<int> out;
  // The last run of so many, so that the end counts and the beginning of the text does not.
  for (int i = 0; i < count; ++i) {
    if ((count - 1 - i) / kComparedRun % every == 0) out.push_back(text.first_compared + i);
  }
  return out;
}

Result<DenseComparison> DenseComparison::open(const EngineOptions& options, int kept) {
  CoreOptions core_options;
  core_options.pages = [&](const Model& model, const HeadProfile&, int context_tokens) {
    return pages_for(model.config(), options.page_tokens, context_tokens, kept);
  };
  core_options.key_bounds = true;  // whatever classes the variants have
  core_options.logit_rows = [](const Model& model) {
    return logit_rows(model.config().vocabulary_size);
  };
  REDKNOT_TRY(std::unique_ptr<EngineCore> core, EngineCore::open(options, core_options));
  HeadProfile dense = all_f16(core->model().config());
  return DenseComparison(std::move(core), std::move(dense));
}

int DenseComparison::step_end(int first, int tokens, std::span<const int> compared) const {
  const int end = std::min(tokens, first + core_->max_step_tokens());
  const std::span<const int> wanted = within(compared, first, end);
  const auto most = static_cast<std::size_t>(core_->max_logit_rows());
  return wanted.size() <= most ? end : wanted[most];
}

std::vector<float> DenseComparison::advance(SingleSequence& kv, const ComparedText& text, int end,
                                            std::span<const int> compared) {
  const int first = kv.length();
  std::vector<int> rows;
  for (const int position : within(compared, first, end)) rows.push_back(position - first);
  const SingleSequence::Part part{.sequence = &kv,
                                  .tokens = std::span(text.tokens)
                                                .first(static_cast<std::size_t>(end))
                                                .subspan(static_cast<std::size_t>(first)),
                                  .logit_rows = rows};
  return SingleSequence::advance_together({&part, 1});
}

std::vector<float> DenseComparison::advance_all(SingleSequence& kv, const ComparedText& text,
                                                int end, std::span<const int> compared) {
  std::vector<float> logits;
  logits.reserve(within(compared, kv.length(), end).size() * vocabulary());
  while (kv.length() < end) {
    const auto part = advance(kv, text, step_end(kv.length(), end, compared), compared);
    logits.insert(logits.end(), part.begin(), part.end());
  }
  return logits;
}

void DenseComparison::add(const ComparedText& text, std::span<const int> positions,
                          std::span<const float> dense, std::span<const float> other,
                          DivergenceSum& sum) {
  std::vector<PositionDivergence> found(positions.size());
  core_->thread_pool().parallel_for(static_cast<int>(positions.size()), [&](int row, int) {
    const auto at = static_cast<std::size_t>(row);
    const auto next = static_cast<std::size_t>(positions[at]) + 1;
    const int follows = next < text.tokens.size() ? static_cast<int>(text.tokens[next]) : -1;
    const Prediction wanted{.logits = dense.subspan(at * vocabulary(), vocabulary()),
                            .next = follows};
    found[at] = diverge(wanted, other.subspan(at * vocabulary(), vocabulary()));
  });
  for (const PositionDivergence& one : found) sum.add(one);
}

std::vector<float> DenseComparison::predict(const ComparedText& text, std::size_t most_floats) {
  const int tokens = static_cast<int>(text.tokens.size());
  REDKNOT_CHECK(tokens <= context_tokens() && text.first_compared < tokens);
  const std::vector<int> compared = compared_positions(text);
  if (compared.size() * vocabulary() > most_floats) return {};
  SingleSequence kv = sequence(dense_);
  return advance_all(kv, text, tokens, compared);
}

void DenseComparison::pass_dense(std::span<const TokenId> tokens) {
  const int count = static_cast<int>(tokens.size());
  REDKNOT_CHECK(count >= 1 && count <= context_tokens());
  SingleSequence kv = sequence(dense_);
  advance_all(kv, {.tokens = {tokens.begin(), tokens.end()}}, count, {});
}

DivergenceSum DenseComparison::compare(const ComparedText& text, const HeadProfile& variant,
                                       const How& how) {
  const int tokens = static_cast<int>(text.tokens.size());
  REDKNOT_CHECK(tokens <= context_tokens());
  const std::vector<int> compared = compared_positions(text);
  SingleSequence dense = sequence(dense_), other = sequence(variant);
  DivergenceSum sum;
  std::size_t known = 0;  // positions that were compared
  for (int first = 0, end = 0; first < tokens; first = end) {
    end = step_end(first, tokens, compared);
    const std::span<const int> positions = within(compared, first, end);
    std::vector<float> computed;
    if (how.dense.empty()) computed = advance(dense, text, end, compared);
    const std::span<const float> wanted =
        how.dense.empty()
            ? std::span<const float>(computed)
            : how.dense.subspan(known * vocabulary(), positions.size() * vocabulary());
    std::vector<float> found;
    const int step = how.step_tokens == 0 ? end - first : how.step_tokens;
    while (other.length() < end) {
      const auto part = advance(other, text, std::min(end, other.length() + step), compared);
      found.insert(found.end(), part.begin(), part.end());
    }
    add(text, positions, wanted, found, sum);
    known += positions.size();
  }
  return sum;
}

DenseComparison::DensePass DenseComparison::pass(int shared, const ComparedText& text,
                                                 std::size_t most_floats) {
  const int tokens = static_cast<int>(text.tokens.size());
  REDKNOT_CHECK(shared >= 0 && shared < tokens && tokens <= context_tokens());
  std::vector<int> compared = compared_positions(text);
  if (compared.size() * vocabulary() > most_floats) compared.clear();
  DensePass out{.prefix = sequence(dense_)};
  out.logits = advance_all(out.prefix, text, shared, compared);
  const std::vector<int> behind = all_from(shared, text.tokens.size());
  SingleSequence rest = out.prefix.fork();
  out.logits_behind = advance_all(rest, text, tokens, behind);
  for (const int position : within(compared, shared, tokens)) {
    const auto row = static_cast<std::size_t>(position - shared) * vocabulary();
    const auto from = out.logits_behind.begin() + static_cast<std::ptrdiff_t>(row);
    out.logits.insert(out.logits.end(), from, from + static_cast<std::ptrdiff_t>(vocabulary()));
  }
  return out;
}

std::vector<DivergenceSum> DenseComparison::compare_behind(const DensePass& pass,
                                                           const ComparedText& text,
                                                           std::span<const HeadProfile> variants) {
  std::vector<DivergenceSum> sums;
  while (sums.size() < variants.size()) {
    for (DivergenceSum& sum : compare_some(pass, text, variants.subspan(sums.size()))) {
      sums.push_back(std::move(sum));
    }
  }
  return sums;
}

std::vector<DivergenceSum> DenseComparison::compare_some(const DensePass& pass,
                                                         const ComparedText& text,
                                                         std::span<const HeadProfile> variants) {
  const int shared = pass.prefix.length();
  const std::vector<int> positions = all_from(shared, text.tokens.size());
  const int most = std::clamp(std::min(core_->max_step_tokens(), core_->max_logit_rows()) /
                                  static_cast<int>(positions.size()),
                              1, kMostTogether);
  std::vector<SingleSequence> others;
  for (const HeadProfile& variant : variants) {
    if (static_cast<int>(others.size()) == most) break;
    auto fork = converted_fork(pass.prefix, variant, *core_, static_cast<int>(positions.size()));
    if (!fork) break;
    others.push_back(std::move(*fork));
  }
  REDKNOT_CHECK(!others.empty());
  std::vector<DivergenceSum> sums(others.size());
  for (int first = shared, end = first; end < static_cast<int>(text.tokens.size()); first = end) {
    // One alone may be longer than a step.
    end = most > 1 ? static_cast<int>(text.tokens.size())
                   : step_end(first, static_cast<int>(text.tokens.size()), positions);
    const std::span<const int> here = within(positions, first, end);
    const std::vector<int> rows = all_from(0, here.size());
    std::vector<SingleSequence::Part> parts;
    parts.reserve(others.size());
    for (SingleSequence& other : others) {
      parts.push_back(
          {.sequence = &other,
           .tokens = std::span(text.tokens).subspan(static_cast<std::size_t>(first), here.size()),
           .logit_rows = rows});
    }
    const std::vector<float> logits = SingleSequence::advance_together(parts);
    const std::size_t floats = here.size() * vocabulary();
    const auto wanted =
        std::span(pass.logits_behind)
            .subspan(static_cast<std::size_t>(first - shared) * vocabulary(), floats);
    for (std::size_t i = 0; i < others.size(); ++i) {
      add(text, here, wanted, std::span(logits).subspan(i * floats, floats), sums[i]);
    }
  }
  return sums;
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
