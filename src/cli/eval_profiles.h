// SPDX-License-Identifier: Apache-2.0
// The head profiles that an evaluation compares, as their files say; and what it writes into those
// that nobody has validated.
#pragma once

#include <string>
#include <vector>

#include "cli/eval_arms.h"
#include "heads/profile_file.h"

namespace redknot::cli {

struct NamedProfile {
  std::string arm{};
  std::string path{};
  ProfileFile file{};
};

// Of the arms that have one, in their order. The errors of reading and of parse_profile.
Result<std::vector<NamedProfile>> read_profiles(const std::vector<Arm>& arms);

// Writes what was found into the files without a validation, whole or not at all, and says so on
// standard error; also where it cannot be written, which is no error.
void record_validation(std::vector<NamedProfile>& profiles, const Divergences& found);

}  // namespace redknot::cli
