// SPDX-License-Identifier: Apache-2.0
// Where a test puts its files: a folder that nobody else has, as tests run in several processes at
// once. The object owns the folder and all that is in it by the time it is destroyed; a test makes
// one, on its stack or in its fixture, on one thread.
#pragma once

#include <filesystem>
#include <string_view>

namespace redknot::tests {

class TempFolder {
 public:
  // A new folder in gtest's temporary folder. Adds a failure to the test when there can be none.
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace redknot::tests
