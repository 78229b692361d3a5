// SPDX-License-Identifier: Apache-2.0
// Makes the head profile of a model: finds how far heads look, what their outputs depend on and
// what they do, chooses policies under a budget, and tries the choice on other text. Called by
// `redknot profile`, which owns the texts and the options; blocks its thread until the profile is
// made, and calls back for progress on that thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "heads/profile_file.h"
#include "profiler/dense_comparison.h"
#include "redknot/redknot.h"

namespace redknot {

struct CalibrationText {
  std::string description{};
  std::vector<ComparedText> sequences{};  // 1 or more; each of 2..context_tokens tokens
};

struct ProfilingOptions {
  EngineOptions engine{};    // model, threads, kernels, page_tokens, context_tokens, progress
  Progress progress{};       // of the making, when the model is open
  double budget_kl = 0.005;  // mean, nats: on the text of the search and, if it can, on the other
  HeadPolicy trial{.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = 64};
  std::vector<int> windows = {32, 64, 128, 256, 512, 1024, 2048};    // those that may be chosen
  std::vector<KvFormat> formats = {KvFormat::kQ8, KvFormat::kK8V4};  // beside f16
  int tokens_behind = 64;           // at the end of a text, that effects of heads are measured on
  std::size_t most_at_once = 16;    // of those, journalled together
  std::filesystem::path journal{};  // of trials that were made; the caller deletes it
};

struct ProfilingResult {
  ProfileFile file{};
  ProfileTrial chosen{};  // the profile, on the text of the search
  std::size_t made = 0;   // trials that were made: profiles that passed over the text
  std::size_t found = 0;  // trials that were in the journal instead
};

// The errors of Engine::open, of the journal; kInvalidArgument if the trial's window leaves out
// nothing, or if predictions are not finite. Requires texts that share nothing.
Result<ProfilingResult> make_profile(const ProfilingOptions& options,
                                     const CalibrationText& calibration,
                                     const CalibrationText& validation);

// A profile of the model at `path` that nobody has measured. kInvalidArgument if it has other
// numbers of layers or KV heads.
Result<ProfileFile> unvalidated_profile(const std::filesystem::path& path, HeadProfile profile);

}  // namespace redknot
