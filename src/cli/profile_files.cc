// SPDX-License-Identifier: Apache-2.0
#include "cli/profile_files.h"

#include "cli/input.h"
#include "cli/replaced_file.h"

namespace redknot::cli {

Result<ProfileFile> read_profile(const std::string& path) {
  REDKNOT_TRY(const std::string json, read_input(path));
  auto file = parse_profile(json);
  if (!file.ok()) return file.error().within("open head profile " + path);
  return file;
}

Status replace_unchanged(const std::string& path, const ProfileFile& as_read,
                         const ProfileFile& file) {
  REDKNOT_TRY(const ProfileFile now, read_profile(path));
  if (now == as_read) return replace_file(path, to_json(file));
  return Error(ErrorCode::kInvalidArgument, "write " + path + ": it was changed meanwhile");
}

}  // namespace redknot::cli
