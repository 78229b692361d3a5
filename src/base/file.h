// SPDX-License-Identifier: Apache-2.0
// Files are read as bytes here: mapped read-only, or whole up to a limit that the caller states.
//
// A MappedFile owns its mapping; the Model keeps the files of its weights mapped in them, and any
// thread may read the bytes. The functions are called by whoever reads or writes a file, on the
// caller's thread, and say kIo with the system's reason where it refuses.
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
