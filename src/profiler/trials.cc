// SPDX-License-Identifier: Apache-2.0
#include "profiler/trials.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/sha256.h"

namespace redknot {
namespace {

// Of the texts, those that effects() are measured on.
constexpr std::size_t kEffectsEvery = 2;

}  // namespace

Trials::Trials(DenseComparison& comparison, TrialJournal& journal,
               std::span<const ComparedText> texts, TrialOptions options)
    : comparison_(comparison),
      journal_(journal),
      texts_(texts),
      options_(std::move(options)),
      left_(options_.most_kept) {}

int Trials::shared(const ComparedText& text) const {
  const int tokens = static_cast<int>(text.tokens.size());
  const int page_tokens = comparison_.core().pages().shape().page_tokens;
  return std::max(0, tokens - options_.tokens_behind) / page_tokens * page_tokens;
}

std::size_t Trials::tokens() const {
  std::size_t sum = 0;
  for (const ComparedText& text : texts_) sum += text.tokens.size();
  return sum;
}

std::size_t Trials::tokens_behind() const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < texts_.size(); i += kEffectsEvery) {
    sum += texts_[i].tokens.size() - static_cast<std::size_t>(shared(texts_[i]));
  }
  return sum;
}

void Trials::passed(std::size_t tokens) const {
  if (options_.passed) options_.passed(tokens);
}

void Trials::pass_dense() {
  for (const ComparedText& text : texts_) {
    passes_.push_back(comparison_.pass(shared(text), text, left_));
    left_ -= passes_.back().logits.size();
    passed(text.tokens.size());
  }
}

Result<Divergence> Trials::whole(const HeadProfile& profile, std::optional<double> limit_kl) {
  const std::string way = limit_kl ? concat("whole ", *limit_kl) : "whole";
  REDKNOT_TRY(const auto found,
              divergences(way, {&profile, 1}, [&](std::span<const HeadProfile> missing) {
                return std::vector{pass_whole(missing.front(), limit_kl)};
              }));
  return found[0];
}

Result<std::vector<double>> Trials::effects(std::span<const HeadProfile> profiles) {
  REDKNOT_TRY(const auto found, divergences("every other behind", profiles,
                                            [this](std::span<const HeadProfile> missing) {
                                              return pass_behind(missing);
                                            }));
  std::vector<double> kls;
  kls.reserve(found.size());
  for (const Divergence& divergence : found) kls.push_back(divergence.kl_mean);
  return kls;
}

std::string Trials::key(std::string_view way, const HeadProfile& profile) const {
  Sha256 sha;
  sha.add_field(options_.base);
  sha.add_field(way);
  for (const HeadPolicy& policy : profile.policies) {
    sha.add_field(concat(name(policy.head_class), " ", policy.sink_tokens, " ",
                         policy.window_tokens, " ", policy.top_pages, " ", name(policy.kv_format)));
  }
  return hex(std::move(sha).finish());
}

// What the journal has of them, and what `pass` gives for the others.
Result<std::vector<Divergence>> Trials::divergences(std::string_view way,
                                                    std::span<const HeadProfile> profiles,
                                                    const Pass& pass) {
  std::vector<std::optional<Divergence>> known;
  std::vector<HeadProfile> missing;
  for (const HeadProfile& profile : profiles) {
    known.push_back(journal_.find(key(way, profile)));
    if (!known.back()) missing.push_back(profile);
  }
  found_ += profiles.size() - missing.size();
  made_ += missing.size();
  std::vector<DivergenceSum> sums;
  if (!missing.empty()) sums = pass(missing);
  std::vector<Divergence> out;
  for (std::size_t i = 0, next = 0; i < profiles.size(); ++i) {
    if (!known[i]) {
      known[i] = sums[next++].total();
      REDKNOT_RETURN_IF_ERROR(journal_.add(key(way, profiles[i]), *known[i]));
    }
    out.push_back(*known[i]);
  }
  return out;
}

DivergenceSum Trials::pass_whole(const HeadProfile& profile, std::optional<double> limit_kl) {
  DivergenceSum sum;
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    sum.add(comparison_.compare(texts_[i], profile, {.dense = dense(i)}));
    passed(texts_[i].tokens.size());
    if (limit_kl && i > 0 && sum.kl_interval().excludes(*limit_kl)) break;
  }
  return sum;
}

std::vector<DivergenceSum> Trials::pass_behind(std::span<const HeadProfile> profiles) {
  REDKNOT_CHECK(passes_.size() == texts_.size());
  std::vector<DivergenceSum> sums(profiles.size());
  for (std::size_t i = 0; i < texts_.size(); i += kEffectsEvery) {
    const auto part = comparison_.compare_behind(passes_[i], texts_[i], profiles);
    for (std::size_t k = 0; k < sums.size(); ++k) sums[k].add(part[k]);
    passed((texts_[i].tokens.size() - static_cast<std::size_t>(shared(texts_[i]))) *
           profiles.size());
  }
  return sums;
}

// Dense logits of a text, computed once; nothing where they do not fit any more.
std::span<const float> Trials::dense(std::size_t text) {
  if (!passes_.empty()) return passes_[text].logits;
  for (std::size_t next = dense_.size(); next <= text; ++next) {
    dense_.push_back(comparison_.predict(texts_[next], left_));
    left_ -= dense_.back().size();
  }
  return dense_[text];
}

}  // namespace redknot
