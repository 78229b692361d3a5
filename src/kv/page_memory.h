// SPDX-License-Identifier: Apache-2.0
// The bytes of KV pages, by frame: one allocation made at construction (huge pages asked for, every
// OS page touched once), cut into one region per format. Which page has which frame is the
// allocator's to say (kv/page_allocator.h); page tables carry both.
//
// A backend owns it (runtime/cpu_backend.h): nothing above the plan touches bytes. Immovable. The
// step loop's thread, and compute workers inside a step, read and write it.
//
// Invariant: bytes of frames are always finite numbers: memory starts as zeros and only finite
// values are ever written, so a masked slot contributes exactly nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/huge_buffer.h"
#include "kv/page_allocator.h"
#include "kv/page_shape.h"
#include "redknot/result.h"

namespace redknot {

class PageMemory {
 public:
  // The errors of check(PageOptions); kResourceExhausted, with the size, if the system has no such
  // memory. Touches all memory from the calling thread.
  static Result<std::unique_ptr<PageMemory>> create(const PageOptions& options);
  PageMemory(const PageMemory&) = delete;
  PageMemory& operator=(const PageMemory&) = delete;

  const PageShape& shape() const { return shape_; }
  std::uint32_t frames() const;  // of all formats
  KvFormat format(FrameId frame) const;
  // shape().bytes(format(frame)) of them. Requires frame < frames().
  std::byte* bytes(FrameId frame);
  const std::byte* bytes(FrameId frame) const;

  // Copies all bytes of a frame to another of the same format.
  void copy(FrameId from, FrameId to);

 private:
  struct Region {
    std::uint32_t first_frame = 0;
    std::uint32_t frame_count = 0;
    std::byte* bytes = nullptr;
    std::size_t frame_bytes = 0;
  };
  PageMemory(const PageOptions& options, HugeBuffer memory);

  PageShape shape_;
  HugeBuffer memory_;
  std::array<Region, kKvFormatCount> regions_;  // by format, in the order of their frames
};

}  // namespace redknot
