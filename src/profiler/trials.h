// SPDX-License-Identifier: Apache-2.0
// Tries head profiles over texts, each profile only once in the life of a journal: what the journal
// knows is not computed again. Owned by profiling.cc, one for the text of the search and one for
// that of the validation. It borrows the comparison, the journal and the texts, and owns the dense
// passes that it keeps. One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/dense_comparison.h"
#include "profiler/trial_journal.h"

namespace redknot {

struct TrialOptions {
  std::string base{};         // all that a trial depends on beside the profile
  int tokens_behind = 0;      // at the end of each text, for effects()
  std::size_t most_kept = 0;  // floats of dense logits that are kept for whole()
  // Called when so many tokens have passed the model.
  std::function<void(std::size_t tokens)> passed{};
};

class Trials {
 public:
  // What is referred to must outlive the object.
  Trials(DenseComparison& comparison, TrialJournal& journal, std::span<const ComparedText> texts,
         TrialOptions options);

  // Passes all texts dense and keeps what effects() goes on from. Shown to the transformer's
  // observer.
  void pass_dense();

  // Of whole texts. With a limit the trial ends before the last text when it is sure that the mean
  // is above or below. The errors of TrialJournal::add, as below.
  Result<Divergence> whole(const HeadProfile& profile, std::optional<double> limit_kl = {});

  // Mean KL of the last tokens of every other text, from the first on, behind what dense attention
  // keeps of the rest: cheaper, and good enough for an order. Requires pass_dense().
  Result<std::vector<double>> effects(std::span<const HeadProfile> profiles);

  // Tokens that a trial of each kind passes through the model, but for those of dense passes.
  std::size_t tokens() const;
  std::size_t tokens_behind() const;

  std::size_t made() const { return made_; }
  std::size_t found() const { return found_; }  // in the journal

 private:
  using Pass = std::function<std::vector<DivergenceSum>(std::span<const HeadProfile> missing)>;

  std::string key(std::string_view way, const HeadProfile& profile) const;
  Result<std::vector<Divergence>> divergences(std::string_view way,
                                              std::span<const HeadProfile> profiles,
                                              const Pass& pass);
  DivergenceSum pass_whole(const HeadProfile& profile, std::optional<double> limit_kl);
  std::vector<DivergenceSum> pass_behind(std::span<const HeadProfile> profiles);
  std::span<const float> dense(std::size_t text);
  int shared(const ComparedText& text) const;  // tokens before those of effects()
  void passed(std::size_t tokens) const;

  DenseComparison& comparison_;
  TrialJournal& journal_;
  std::span<const ComparedText> texts_;
  TrialOptions options_;
  std::vector<DenseComparison::DensePass> passes_;  // by text, once they were made
  std::vector<std::vector<float>> dense_;           // logits by text, where there are no passes
  std::size_t left_;                                // floats that may still be kept
  std::size_t made_ = 0, found_ = 0;
};

}  // namespace redknot
