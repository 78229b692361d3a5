// SPDX-License-Identifier: Apache-2.0
#include "step/step_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "step/step_json.h"

namespace redknot {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

Error system_error(std::string_view attempt, const std::filesystem::path& path, int number) {
  return {number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
          concat(attempt, " ", path, ": ", std::strerror(number))};
}

}  // namespace

Result<StepWriter> StepWriter::create(const std::filesystem::path& path,
                                      const StepFileHeader& header) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return system_error("record", path, errno);
  StepWriter writer(descriptor, path);
  REDKNOT_RETURN_IF_ERROR(writer.write_line(to_json(header)));
  return writer;
}

StepWriter::StepWriter(int descriptor, std::filesystem::path path)
    : descriptor_(descriptor), path_(std::move(path)) {}

StepWriter::StepWriter(StepWriter&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

StepWriter& StepWriter::operator=(StepWriter&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

StepWriter::~StepWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status StepWriter::write(const RecordedStep& step) { return write_line(to_json(step)); }

Status StepWriter::write_line(std::string line) {
  line += '\n';
  if (line.size() > kMostStepLineBytes) {
    return exhausted("record ", path_, ": a step of ", line.size(), " bytes, a line has at most ",
                     kMostStepLineBytes);
  }
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("record", path_, errno);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return Done{};
}

Result<StepReader> StepReader::open(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error("read", path, errno);
  if (S_ISDIR(status.st_mode)) return system_error("read", path, EISDIR);
  auto text = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!text->is_open()) return system_error("read", path, errno);
  return read(std::move(text), path.string());
}

Result<StepReader> StepReader::read(std::unique_ptr<std::istream> text, std::string name) {
  StepReader reader(std::move(text), std::move(name));
  REDKNOT_TRY(const std::optional<std::string> line, reader.next_line());
  if (!line) return reader.at_line(corrupt("it does not begin with a whole line"));
  auto header = parse_step_header(*line);
  if (!header.ok()) return reader.at_line(header.error());
  reader.header_ = std::move(*header);
  return reader;
}

StepReader::StepReader(std::unique_ptr<std::istream> text, std::string name)
    : text_(std::move(text)), name_(std::move(name)), buffer_(kBufferBytes) {}

Error StepReader::at_line(const Error& error) const {
  return error.within(concat("read ", name_, ": line ", line_));
}

Result<std::optional<std::string>> StepReader::next_line() {
  ++line_;
  std::string line;
  while (true) {
    const std::size_t end = rest_.find('\n');
    line += rest_.substr(0, end);
    if (line.size() > kMostStepLineBytes) {
      return at_line(corrupt("it has more than ", kMostStepLineBytes, " bytes"));
    }
    if (end != std::string_view::npos) {
      rest_.remove_prefix(end + 1);
      bytes_ += line.size() + 1;
      return std::optional(std::move(line));
    }
    text_->read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    rest_ = {buffer_.data(), static_cast<std::size_t>(text_->gcount())};
    if (text_->bad()) return io_error("read ", name_, ": line ", line_, " cannot be read");
    if (rest_.empty()) break;
  }
  bytes_ += line.size();
  ends_within_line_ = !line.empty();
  return std::optional<std::string>();
}

Result<std::optional<RecordedStep>> StepReader::next() {
  REDKNOT_TRY(const std::optional<std::string> line, next_line());
  if (!line) return std::optional<RecordedStep>();
  auto step = parse_step(*line);
  if (!step.ok()) return at_line(step.error());
  return std::optional(std::move(*step));
}

}  // namespace redknot
