// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_profiles.h"

#include <cmath>
#include <utility>

#include "cli/output.h"
#include "cli/profile_files.h"

namespace redknot::cli {
namespace {

bool finite(const Divergence& found) {
  return std::isfinite(found.kl_mean) && std::isfinite(found.kl_p99) &&
         std::isfinite(found.kl_p999) && std::isfinite(found.perplexity_ratio);
}

void record(NamedProfile& profile, const ArmDivergence& arm, const MeasuredText& text) {
  const std::string what = "eval: the validation of " + profile.path;
  if (!finite(arm.divergence)) {
    note(what + " stays as it is: the divergence is not a number");
    return;
  }
  ProfileFile file = profile.file;
  file.validation = text;
  file.validated = ProfileTrial{
      .kv_bytes = arm.kv_bytes, .kv_bytes_read = arm.kv_bytes_read, .divergence = arm.divergence};
  const Status written = replace_unchanged(profile.path, profile.file, file);
  if (!written.ok()) {
    note(what + " stays as it is: " + written.error().message());
    return;
  }
  note(what + format(" is now what was found here, over %lld positions",
                     static_cast<long long>(arm.divergence.positions)));
  profile.file = std::move(file);
}

}  // namespace

Result<std::vector<NamedProfile>> read_profiles(const std::vector<Arm>& arms) {
  std::vector<NamedProfile> profiles;
  for (const Arm& arm : arms) {
    if (arm.profile.empty()) continue;
    REDKNOT_TRY(ProfileFile file, read_profile(arm.profile));
    profiles.push_back({.arm = arm.name, .path = arm.profile, .file = std::move(file)});
  }
  return profiles;
}

bool gives_way(const ProfileFile& file, std::int64_t positions) {
  if (!file.validated) return true;
  return file.validation->description.rfind(kEvalDescription, 0) == 0 &&
         file.validated->divergence.positions < positions;
}

void record_validation(std::vector<NamedProfile>& profiles, const Divergences& found) {
  for (NamedProfile& profile : profiles) {
    for (const ArmDivergence& arm : found.arms) {
      if (arm.arm != profile.arm || !gives_way(profile.file, arm.divergence.positions)) continue;
      record(profile, arm, found.text);
    }
  }
}

}  // namespace redknot::cli
