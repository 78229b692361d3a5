// SPDX-License-Identifier: Apache-2.0
// Trials that were made already, on disk: a search that is started again finds them and goes on
// where it was, because it asks for the same ones in the same order. Owned by profiling.cc for one
// search, used from one thread; it owns the open file, and its caller deletes that at the end.
//
// A file of JSON lines, each written and flushed when its trial is done. A last line that was cut
// off is taken away, others that are damaged are passed over. The first line has a version, to be
// raised when equal trials would give other numbers.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "heads/profile_file.h"
#include "redknot/result.h"

namespace redknot {

class TrialJournal {
 public:
  // Reads what is there, or begins the file. kIo with the system's reason; kInvalidArgument for
  // something there that is not a journal, which is left as it is.
  static Result<TrialJournal> open(const std::filesystem::path& path);

  // `key`: of everything that the trial depends on.
  std::optional<Divergence> find(const std::string& key) const;
  // kIo if it cannot be written.
  Status add(const std::string& key, const Divergence& found);
  std::size_t size() const { return found_.size(); }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  TrialJournal(std::filesystem::path path, std::map<std::string, Divergence> found)
      : path_(std::move(path)), found_(std::move(found)) {}

  std::filesystem::path path_;
  std::map<std::string, Divergence> found_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace redknot
