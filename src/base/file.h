// SPDX-License-Identifier: Apache-2.0
// Files as bytes: mapped read-only, or read whole up to a stated limit.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "redknot/result.h"

namespace redknot {

// A file mapped read-only. Move-only; the mapping lives as long as the object. An empty file maps
// to an empty span. Const methods may be called from any thread.
class MappedFile {
 public:
  // kNotFound, kIo (with the system's reason), kInvalidArgument for something not a regular file.
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // Tells the system that these bytes of the mapping are not needed for now, so that they stop
  // counting as memory of this process. Reading them later reads the file again.
  void drop(std::span<const std::byte> part) const;

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// The whole file as a string. kResourceExhausted if it is larger than `limit_bytes`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit_bytes);

// Writes or replaces the whole file. kIo with the system's reason.
Status write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace redknot
