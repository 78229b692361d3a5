// SPDX-License-Identifier: Apache-2.0
#include "cli/line_file.h"

#include "base/error.h"

namespace redknot::cli {

Result<LineFile> LineFile::open(const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::binary);
  if (!file) return io_error("write ", path, ": it cannot be opened");
  return LineFile(std::move(file), path);
}

Status LineFile::write(std::string_view line) {
  file_ << line << '\n' << std::flush;
  if (!file_) return io_error("write ", path_, ": it cannot be written");
  return Done{};
}

}  // namespace redknot::cli
