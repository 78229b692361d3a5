// SPDX-License-Identifier: Apache-2.0
#include "profiler/trials.h"

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"

namespace redknot {

Trials::Trials(DenseComparison& comparison, TrialJournal& journal,
               std::span<const ComparedText> texts, std::string base, std::size_t most_kept)
    : comparison_(comparison),
      journal_(journal),
      texts_(texts),
      base_(std::move(base)),
      left_(most_kept) {}

Result<Divergence> Trials::whole(const HeadProfile& profile) {
  REDKNOT_TRY(const auto found,
              divergences("whole", {&profile, 1}, [this](std::span<const HeadProfile> missing) {
                return std::vector{pass_whole(missing.front())};
              }));
  return found[0];
}

Result<std::vector<double>> Trials::effects(std::span<const HeadProfile> profiles) {
  REDKNOT_TRY(const auto found,
              divergences("behind", profiles, [this](std::span<const HeadProfile> missing) {
                return pass_behind(missing);
              }));
  std::vector<double> kls;
  kls.reserve(found.size());
  for (const Divergence& divergence : found) kls.push_back(divergence.kl_mean);
  return kls;
}

std::string Trials::key(std::string_view way, const HeadProfile& profile) const {
  Sha256 sha;
  sha.add_field(base_);
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

DivergenceSum Trials::pass_whole(const HeadProfile& profile) {
  DivergenceSum sum;
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    sum.add(comparison_.compare(texts_[i], profile, {.dense = dense(i)}));
  }
  return sum;
}

std::vector<DivergenceSum> Trials::pass_behind(std::span<const HeadProfile> profiles) {
  std::vector<DivergenceSum> sums(profiles.size());
  for (const ComparedText& text : texts_) {
    const auto part = comparison_.compare_behind(text.first_compared, text, profiles);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add(part[i]);
  }
  return sums;
}

// Dense logits of a text, computed once; nothing where they do not fit any more.
std::span<const float> Trials::dense(std::size_t text) {
  for (std::size_t next = dense_.size(); next <= text; ++next) {
    dense_.push_back(comparison_.predict(texts_[next], left_));
    left_ -= dense_.back().size();
  }
  return dense_[text];
}

}  // namespace redknot
