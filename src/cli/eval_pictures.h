// SPDX-License-Identifier: Apache-2.0
// What `redknot eval --report` draws: pure functions from a report and its profiles to SVG, and two
// that write a directory of them. eval_command.cc calls them at the end, from the main thread;
// nothing is kept between calls.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/eval_profiles.h"
#include "cli/eval_report.h"

namespace redknot::cli {

// What each (layer, KV head) keeps, a map for every profile beside each other.
std::string head_map(const std::vector<NamedProfile>& profiles);

// How far each head looks and what it does: a line a head, in order of its effect. Of a profile
// with evidence.
std::string mass_by_distance(const NamedProfile& profile);

// KL against bytes: the arms, and the sets of policies that the profiles' searches tried.
std::string kl_against_bytes(const Divergences& found, const std::vector<NamedProfile>& profiles);

// Makes the directory of the pictures, if it is not there. kIo with the system's reason.
Status make_directory(const std::filesystem::path& directory);

// Writes index.html, heads.svg, mass.svg (if a profile has evidence) and kl.svg into it. The errors
// of replace_file.
Status write_pictures(const std::filesystem::path& directory, const EvalReport& report,
                      const std::vector<NamedProfile>& profiles);

}  // namespace redknot::cli
