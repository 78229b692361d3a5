// SPDX-License-Identifier: Apache-2.0
// Head profiles that a verb reads and adds what it found to. Plain functions on the caller's
// thread: `eval` and `bench rag` read at their beginning and replace at their end. Nothing is
// locked; a file that changed in between is left as it is.
#pragma once

#include <string>

#include "heads/profile_file.h"
#include "redknot/redknot.h"

namespace redknot::cli {

// The errors of reading and of parse_profile.
Result<ProfileFile> read_profile(const std::string& path);

// Writes the file whole or not at all. kInvalidArgument if it is not `as_read` any more: somebody
// may have changed it meanwhile.
Status replace_unchanged(const std::string& path, const ProfileFile& as_read,
                         const ProfileFile& file);

}  // namespace redknot::cli
