// SPDX-License-Identifier: Apache-2.0
// A HugeBuffer owns one large allocation: zeroed, and aligned to huge pages, which are asked for.
//
// The packed weights and the pages of the KV cache lie in such buffers. They are allocated and
// touched on the thread that opens an engine, before its step loop runs, and live as long as the
// object. Move-only; which threads may touch which bytes is the owner's business.
#pragma once

#include <cstddef>
#include <span>

#include "redknot/result.h"

namespace redknot {

class HugeBuffer {
 public:
  static constexpr std::size_t kAlignment = std::size_t{2} << 20;

  HugeBuffer() = default;
  // kResourceExhausted, saying how much was asked for and how much is available. Asks first what
  // the system can give, so that a size too large is an answer and not a killed process.
  static Result<HugeBuffer> allocate(std::size_t bytes);
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  ~HugeBuffer();

  std::span<std::byte> bytes() const { return {data_, size_}; }

  // Makes the system provide every byte now rather than at first use. kResourceExhausted if it
  // cannot.
  Status populate() const;

 private:
  HugeBuffer(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace redknot
