// SPDX-License-Identifier: Apache-2.0
// Files of recorded steps: a line of JSON that says what they were run on, then one a step
// (step_json.h, docs/adr/0018). They hold the token ids of prompts and answers.
//
// RecordingExecutor owns a writer, engine/replay.h a reader; one thread at a time each. A line is
// written at once, so a file whose writer was killed ends within a line at worst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redknot/result.h"
#include "step/recorded_step.h"

namespace redknot {

// Of a line. What is read of one takes up to ten times the memory.
inline constexpr std::size_t kMostStepLineBytes = std::size_t{128} << 20;

class StepWriter {
 public:
  // Makes the file, readable by its owner alone, or empties it, and writes the header. kNotFound or
  // kIo with the system's reason.
  static Result<StepWriter> create(const std::filesystem::path& path, const StepFileHeader& header);
  StepWriter(StepWriter&& other) noexcept;
  StepWriter& operator=(StepWriter&& other) noexcept;
  ~StepWriter();

  // kIo with the system's reason; kResourceExhausted for a step longer than a line may be, of which
  // nothing is written. No more can be written after an error.
  Status write(const RecordedStep& step);

 private:
  StepWriter(int descriptor, std::filesystem::path path);
  Status write_line(std::string line);

  int descriptor_;
  std::filesystem::path path_;
};

class StepReader {
 public:
  // Reads the header. kNotFound, kIo with the system's reason; kCorrupt, kUnsupported for a header
  // that is not one of ours.
  static Result<StepReader> open(const std::filesystem::path& path);
  // The same of a text that is called `name` in errors.
  static Result<StepReader> read(std::unique_ptr<std::istream> text, std::string name);

  const StepFileHeader& header() const { return header_; }

  // The next step; nothing at the end. kCorrupt with the number of the line, kIo; nothing is read
  // after an error.
  Result<std::optional<RecordedStep>> next();

  bool ends_within_line() const { return ends_within_line_; }  // known once next() gave nothing
  std::uint64_t line() const { return line_; }                 // that was read last, from 1
  std::uint64_t bytes() const { return bytes_; }               // read so far

 private:
  StepReader(std::unique_ptr<std::istream> text, std::string name);
  // A line without its newline; nothing at the end, or for a line without one.
  Result<std::optional<std::string>> next_line();
  Error at_line(const Error& error) const;

  std::unique_ptr<std::istream> text_;
  std::string name_;
  StepFileHeader header_{};
  std::vector<char> buffer_;
  std::string_view rest_;  // of the buffer, not yet taken
  std::uint64_t line_ = 0, bytes_ = 0;
  bool ends_within_line_ = false;
};

}  // namespace redknot
