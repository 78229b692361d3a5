// SPDX-License-Identifier: Apache-2.0
// A ByteReader reads little-endian values from untrusted bytes and never past their end.
//
// Every failure names what was being read and the offset, so that a broken file can be found with a
// hex editor. The readers of GGUF and safetensors use it on the thread that opens a model. It
// borrows the bytes, which must outlive it.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace redknot {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t offset() const { return offset_; }
  std::size_t remaining() const { return bytes_.size() - offset_; }

  // The next sizeof(T) bytes as a T. kCorrupt at the end of the bytes.
  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T> read(std::string_view what) {
    REDKNOT_TRY(const std::span<const std::byte> part, take(sizeof(T), what));
    T value;
    std::memcpy(&value, part.data(), sizeof(T));
    return value;
  }

  // The next `size` bytes. kCorrupt if fewer remain.
  Result<std::span<const std::byte>> take(std::size_t size, std::string_view what) {
    if (size > remaining()) {
      return corrupt(what, " at offset ", offset_, " needs ", size, " bytes, ", remaining(),
                     " remain");
    }
    const auto part = bytes_.subspan(offset_, size);
    offset_ += size;
    return part;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
};

}  // namespace redknot
