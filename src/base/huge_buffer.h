// SPDX-License-Identifier: Apache-2.0
// One large allocation made at start: zeroed, 2 MiB aligned, huge pages asked for. Move-only.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "redknot/result.h"

namespace redknot {

class HugeBuffer {
 public:
  HugeBuffer() = default;
  // kResourceExhausted, with `purpose` and the size, if the system has no such memory free.
  static Result<HugeBuffer> allocate(std::size_t bytes, std::string_view purpose);
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  ~HugeBuffer();

  std::span<std::byte> bytes() const { return {data_, size_}; }

  // Makes the system provide every byte now rather than at first use. Any thread, any part.
  static void touch(std::span<std::byte> part);

 private:
  HugeBuffer(void* mapping, std::size_t mapped, std::byte* data, std::size_t size)
      : mapping_(mapping), mapped_(mapped), data_(data), size_(size) {}
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace redknot
