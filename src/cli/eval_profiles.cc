// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_profiles.h"

#include <utility>

#include "cli/input.h"
#include "cli/output.h"
#include "cli/replaced_file.h"

namespace redknot::cli {

Result<std::vector<NamedProfile>> read_profiles(const std::vector<Arm>& arms) {
  std::vector<NamedProfile> profiles;
  for (const Arm& arm : arms) {
    if (arm.profile.empty()) continue;
    REDKNOT_TRY(const std::string json, read_input(arm.profile));
    auto file = parse_profile(json);
    if (!file.ok()) return file.error().within("open head profile " + arm.profile);
    profiles.push_back({.arm = arm.name, .path = arm.profile, .file = std::move(*file)});
  }
  return profiles;
}

void record_validation(std::vector<NamedProfile>& profiles, const Divergences& found) {
  for (NamedProfile& profile : profiles) {
    if (profile.file.validated) continue;
    for (const ArmDivergence& arm : found.arms) {
      if (arm.arm != profile.arm) continue;
      profile.file.validation = found.text;
      profile.file.validated = ProfileTrial{.kv_bytes = arm.kv_bytes,
                                            .kv_bytes_read = arm.kv_bytes_read,
                                            .divergence = arm.divergence};
      profile.file.dense_bytes = arm.kv_bytes_dense;
    }
    const Status written = replace_file(profile.path, to_json(profile.file));
    note(written.ok() ? "eval: what was found is now the validation in " + profile.path
                      : "eval: " + profile.path +
                            " stays without a validation: " + written.error().message());
  }
}

}  // namespace redknot::cli
