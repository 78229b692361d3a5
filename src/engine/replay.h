// SPDX-License-Identifier: Apache-2.0
// Runs the steps of a recorded file again, without scheduler or server, and compares what they give
// bit for bit with what they gave: the entry for `redknot replay`.
//
// Nothing outlives a call; both run on the caller's thread and on compute threads. Files are not
// trusted: each plan is checked before it is run (runtime/plan_checker.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "redknot/redknot.h"

namespace redknot {

struct ReplayOptions {
  std::filesystem::path file{};
  std::filesystem::path model{};  // empty: where the file says that it was
  int threads = 0;                // 0: one per core available to the process
  std::string kernels{};          // empty: those of the file, the only ones that must be equal
  Progress progress{};            // of loading the model and of the file
};

struct ReplayReport {
  std::uint64_t steps = 0, rows = 0, sequences = 0;
  std::uint64_t unequal_steps = 0;
  std::string first_difference{};  // "step 17, sequence 5: sampled 42, recorded 17"
  bool ends_within_line = false;   // whoever wrote the file was killed
  std::string kernels{}, recorded_kernels{};
};

// Errors of reading the file, of opening the model, kInvalidArgument if the model is of another
// shape, kCorrupt for a plan that cannot be run.
Result<ReplayReport> replay(const ReplayOptions& options);

// Gives `print` the header and each plan as text, until it fails. Needs no model and checks no plan
// against others. True if the file ends within a line.
Result<bool> print_steps(const std::filesystem::path& file,
                         const std::function<Status(std::string_view)>& print);

}  // namespace redknot
