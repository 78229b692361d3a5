// SPDX-License-Identifier: Apache-2.0
// What is kept of a step that was run, so that it can be run again and compared bit for bit: its
// plan, and of its result everything but logits, of which a digest says whether they are equal.
//
// RecordingExecutor makes these and step_file.h writes and reads them; engine/replay.h compares
// them. Regular values without an owner; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "kv/page_shape.h"
#include "redknot/activation_format.h"
#include "step/step_plan.h"
#include "step/step_result.h"

namespace redknot {

// What the steps of one file were run on.
struct StepFileHeader {
  std::string model{};    // its path, as the user gave it
  std::string kernels{};  // their name; others may give other bits
  ActivationFormat activations = ActivationFormat::k8;
  HeadProfile profile{};
  PageOptions pages{};
  int vocabulary_size = 0;
  int max_rows = 0, max_logit_rows = 0;  // of a step
};

struct RecordedSlice {
  double flops = 0;
  std::string logits{};  // SHA-256 of all its rows' logits, in hexadecimal; empty if it has none
  std::vector<float> deviations{};
  std::vector<std::int64_t> page_mass{};
};

struct RecordedStep {
  StepPlan plan{};
  std::vector<SampledToken> sampled{};  // by sample of the plan
  std::vector<RecordedSlice> slices{};  // by slice of the plan
};

// The plan, but that every slice with logit rows returns its logits: what is run to record a step,
// and to compare it.
StepPlan with_all_logits(StepPlan plan);

// Of a plan, and of what with_all_logits() of it gave.
RecordedStep recorded(StepPlan plan, const StepResult& result);

// The first thing in which the results of one plan differ: "sequence 5: sampled 42, recorded 17".
// Nothing if they are equal bit for bit; numbers that are no numbers are equal if their bits are.
// Requires that both are of one plan.
std::optional<std::string> first_difference(const RecordedStep& record,
                                            const RecordedStep& replayed);

}  // namespace redknot
