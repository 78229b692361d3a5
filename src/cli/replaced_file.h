// SPDX-License-Identifier: Apache-2.0
// A file that is written whole or not at all: readers see what was there before, or all of the new
// text. Verbs call these for everything that they write beside standard output, `eval` and
// `profile` before their work as well as after it. Plain functions, any thread.
#pragma once

#include <filesystem>
#include <string_view>

#include "redknot/redknot.h"

namespace redknot::cli {

// Whether replace_file would be able to; leaves nothing behind. kNotFound or kIo with the system's
// reason; kInvalidArgument for something that is there and not a regular file.
Status check_replaceable(const std::filesystem::path& path);

// Writes the text to a temporary file beside `path`, then renames it. The same errors.
Status replace_file(const std::filesystem::path& path, std::string_view text);

}  // namespace redknot::cli
