// SPDX-License-Identifier: Apache-2.0
// Tries head profiles over texts, each profile only once in the life of a journal: what the journal
// knows is not computed again. Owned by profiling.cc, one for the text of the search and one for
// that of the validation. It borrows the comparison, the journal and the texts, and owns the dense
// logits that it keeps. One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/dense_comparison.h"
#include "profiler/trial_journal.h"

namespace redknot {

class Trials {
 public:
  // `base`: all that a trial depends on beside the profile. Dense logits are kept up to so
  // many floats. What is referred to must outlive the object.
  Trials(DenseComparison& comparison, TrialJournal& journal, std::span<const ComparedText> texts,
         std::string base, std::size_t most_kept);

  // Of whole texts. The errors of TrialJournal::add, as below.
  Result<Divergence> whole(const HeadProfile& profile);

  // Mean KL behind the dense pass of each text's first part: cheaper, and good enough for an order.
  Result<std::vector<double>> effects(std::span<const HeadProfile> profiles);

  std::size_t made() const { return made_; }
  std::size_t found() const { return found_; }  // in the journal

 private:
  using Pass = std::function<std::vector<DivergenceSum>(std::span<const HeadProfile> missing)>;

  std::string key(std::string_view way, const HeadProfile& profile) const;
  Result<std::vector<Divergence>> divergences(std::string_view way,
                                              std::span<const HeadProfile> profiles,
                                              const Pass& pass);
  DivergenceSum pass_whole(const HeadProfile& profile);
  std::vector<DivergenceSum> pass_behind(std::span<const HeadProfile> profiles);
  std::span<const float> dense(std::size_t text);

  DenseComparison& comparison_;
  TrialJournal& journal_;
  std::span<const ComparedText> texts_;
  std::string base_;
  std::vector<std::vector<float>> dense_;  // by text
  std::size_t left_;                       // floats that may still be kept
  std::size_t made_ = 0, found_ = 0;
};

}  // namespace redknot
