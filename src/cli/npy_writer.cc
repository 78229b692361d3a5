// SPDX-License-Identifier: Apache-2.0
#include "cli/npy_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace redknot::cli {
namespace {

// Room for any shape, and a multiple of 64 as the format asks for.
constexpr std::size_t kHeaderBytes = 128;

std::string header(std::uint64_t rows, std::uint64_t columns) {
  static_assert(std::endian::native == std::endian::little, "descr says little-endian");
  std::string out("\x93NUMPY\x01\x00", 8);
  constexpr std::size_t kDictionaryBytes = kHeaderBytes - 10;
  out += static_cast<char>(kDictionaryBytes & 0xff);
  out += static_cast<char>(kDictionaryBytes >> 8);
  out += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
         std::to_string(columns) + "), }";
  out.resize(kHeaderBytes - 1, ' ');
  return out + '\n';
}

}  // namespace

Result<NpyWriter> NpyWriter::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Error(code, "write " + path + ": " + std::strerror(errno));
  }
  NpyWriter writer(descriptor, path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return writer.error(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return writer.error("not a regular file");
  return writer;
}

NpyWriter::NpyWriter(NpyWriter&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      started_(other.started_),
      rows_(other.rows_),
      columns_(other.columns_) {}

NpyWriter& NpyWriter::operator=(NpyWriter&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  std::swap(started_, other.started_);
  std::swap(rows_, other.rows_);
  std::swap(columns_, other.columns_);
  return *this;
}

NpyWriter::~NpyWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Error NpyWriter::error(const std::string& cause) const {
  return {ErrorCode::kIo, "write " + path_ + ": " + cause};
}

Status NpyWriter::start() {
  if (started_) return Done{};
  if (::ftruncate(descriptor_, 0) != 0) return error(std::strerror(errno));
  started_ = true;
  return Done{};
}

Status NpyWriter::write_at(std::span<const std::byte> bytes, std::uint64_t offset) const {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error(std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return Done{};
}

Status NpyWriter::append(std::span<const float> values, int rows) {
  if (rows <= 0) return Done{};
  if (columns_ == 0) columns_ = values.size() / static_cast<std::size_t>(rows);
  if (values.size() != columns_ * static_cast<std::size_t>(rows)) {
    return Error(ErrorCode::kInvalidArgument, "write " + path_ + ": rows of unequal length");
  }
  REDKNOT_RETURN_IF_ERROR(start());
  const std::uint64_t offset = kHeaderBytes + rows_ * columns_ * sizeof(float);
  REDKNOT_RETURN_IF_ERROR(write_at(std::as_bytes(values), offset));
  rows_ += static_cast<std::uint64_t>(rows);
  return Done{};
}

Status NpyWriter::finish(int columns) {
  REDKNOT_RETURN_IF_ERROR(start());
  if (columns_ == 0) columns_ = static_cast<std::uint64_t>(columns);
  const std::string text = header(rows_, columns_);
  REDKNOT_RETURN_IF_ERROR(write_at(std::as_bytes(std::span(text)), 0));
  if (::close(std::exchange(descriptor_, -1)) != 0) return error(std::strerror(errno));
  return Done{};
}

}  // namespace redknot::cli
