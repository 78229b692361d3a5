// SPDX-License-Identifier: Apache-2.0
// The head profiles that an evaluation compares, as their files say; and what it writes into those
// that nobody has validated. eval_command.cc owns the list from its beginning to its end, so that a
// file that somebody changed meanwhile is noticed. Main thread.
#pragma once

#include <cstdint>
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

// Whether a validation is to give way to one of so many positions: there is none, or it is an
// evaluation's of fewer.
bool gives_way(const ProfileFile& file, std::int64_t positions);

// Writes what was found into the files whose validation gives way, whole or not at all, and says so
// on standard error. Where that cannot be, because the file has changed meanwhile, cannot be
// written, or what was found are no numbers, it says that; it is no error.
void record_validation(std::vector<NamedProfile>& profiles, const Divergences& found);

}  // namespace redknot::cli
