// SPDX-License-Identifier: Apache-2.0
// A file that gets a line at a time, each out at once, so that what is there when a long run ends
// early is whole. A LineFile owns the open file; a verb has one on its stack and calls it from one
// thread.
#pragma once

#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "redknot/result.h"

namespace redknot::cli {

// Owns the open file. Move-only.
class LineFile {
 public:
  // Replaces what is there. kIo.
  static Result<LineFile> open(const std::filesystem::path& path);
  // Without the line break. kIo.
  Status write(std::string_view line);

 private:
  LineFile(std::ofstream file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}
  std::ofstream file_;
  std::filesystem::path path_;
};

}  // namespace redknot::cli
