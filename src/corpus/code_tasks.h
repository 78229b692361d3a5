// SPDX-License-Identifier: Apache-2.0
// Tasks from a folder of source code: the next line of a file, other files of the folder as
// documents (as RepoBench, Liu et al. 2023, asks). The line names something that the shown part of
// its file has not named, but one of the documents has.
//
// A CodeFolder holds the texts of all files that it read; the caller owns it. Reading is bounded,
// symbolic links are not followed, and files come in the order of their paths, so that equal
// folders and seeds give equal tasks. Const methods may be called from any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "corpus/task.h"
#include "redknot/result.h"

namespace redknot::corpus {

inline constexpr std::size_t kMaxCodeEntries = 100'000;                 // of the folder, all
inline constexpr std::size_t kMaxCodeFileBytes = std::size_t{1} << 18;  // larger ones are left out
inline constexpr std::size_t kMaxCodeBytes = std::size_t{64} << 20;     // of all files together
inline constexpr int kMostCodeTasks = 400;  // that one folder is good for

struct CodeFile {
  std::string path{};  // from the folder
  std::vector<std::string> lines{};
};

// A value.
class CodeFolder {
 public:
  // Files whose endings are those of programming languages, UTF-8. Folders whose names begin with a
  // point are left out, and so are build and node_modules. kNotFound, kIo; kInvalidArgument if
  // fewer than two files are left; kResourceExhausted beyond the limits.
  static Result<CodeFolder> open(const std::filesystem::path& path);

  // kInvalidArgument if no line of any file is good for a task.
  Result<Task> task(const TaskOptions& options, const CountTokens& count, Random& random) const;

  const std::vector<CodeFile>& files() const { return files_; }

 private:
  std::vector<CodeFile> files_{};
};

}  // namespace redknot::corpus
