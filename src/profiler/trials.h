// SPDX-License-Identifier: Apache-2.0
// Measures head profiles over texts, each profile only once in the life of a journal.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/rehearsal.h"
#include "profiler/trial_journal.h"

namespace redknot {

class Trials {
 public:
  // `base`: all that a measurement depends on beside the profile. Dense logits are kept up to so
  // many floats. What is referred to must outlive the object.
  Trials(Rehearsal& rehearsal, TrialJournal& journal, std::span<const RehearsedText> texts,
         std::string base, std::size_t most_kept);

  // Of whole texts. The errors of TrialJournal::add, as below.
  Result<Divergence> whole(const HeadProfile& profile);

  // Mean KL behind the dense run of each text's first part: cheaper, and good enough for an order.
  Result<std::vector<double>> effects(std::span<const HeadProfile> profiles);

  std::size_t measured() const { return measured_; }
  std::size_t found() const { return found_; }  // in the journal

 private:
  using Run = std::function<std::vector<DivergenceSum>(std::span<const HeadProfile> missing)>;

  std::string key(std::string_view way, const HeadProfile& profile) const;
  Result<std::vector<Divergence>> measure(std::string_view way,
                                          std::span<const HeadProfile> profiles, const Run& run);
  DivergenceSum run_whole(const HeadProfile& profile);
  std::vector<DivergenceSum> run_behind(std::span<const HeadProfile> profiles);
  std::span<const float> dense(std::size_t text);

  Rehearsal& rehearsal_;
  TrialJournal& journal_;
  std::span<const RehearsedText> texts_;
  std::string base_;
  std::vector<std::vector<float>> dense_;  // by text
  std::size_t left_;                       // floats that may still be kept
  std::size_t measured_ = 0, found_ = 0;
};

}  // namespace redknot
