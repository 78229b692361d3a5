// SPDX-License-Identifier: Apache-2.0
// A Heap counts what one rendering may use: steps, bytes alive, the size of a text and the depth of
// a value.
//
// Every value that a program makes is charged here and gives its bytes back when it goes. The
// interpreter owns one heap per rendering, on one thread; it outlives the values charged to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/error.h"
#include "redknot/chat_template.h"
#include "redknot/result.h"

namespace redknot::jinja {

class Heap {
 public:
  explicit Heap(const ChatTemplateLimits& limits) : limits_(limits), steps_left_(limits.steps) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  Status spend(std::uint64_t steps) {
    if (steps > steps_left_) {
      steps_left_ = 0;
      return exhausted("the template takes more than ", limits_.steps, " steps");
    }
    steps_left_ -= steps;
    return Done{};
  }
  // Work on so many bytes at once: one step for 256 of them.
  Status spend_bytes(std::size_t bytes) { return spend(1 + bytes / 256); }

  // Takes bytes until release(), or fails and takes none.
  Status hold(std::size_t bytes) {
    if (bytes > limits_.memory_bytes - live_bytes_) {
      return exhausted("the template's values take more than ", limits_.memory_bytes, " bytes");
    }
    live_bytes_ += bytes;
    return Done{};
  }
  void release(std::size_t bytes) { live_bytes_ -= bytes; }
  std::size_t live_bytes() const { return live_bytes_; }

  // May there be a text of so many bytes, a list of so many items, a value so deep?
  Status text_fits(std::size_t bytes) const {
    if (bytes <= limits_.output_bytes) return Done{};
    return exhausted("a text grows over ", limits_.output_bytes, " bytes");
  }
  Status items_fit(std::size_t count) const {
    if (count <= limits_.memory_bytes / kItemBytes) return Done{};
    return exhausted("a list grows over ", limits_.memory_bytes / kItemBytes, " items");
  }
  Status depth_fits(int depth) const {
    if (depth <= limits_.depth) return Done{};
    return exhausted("nested deeper than ", limits_.depth, " levels");
  }

  static constexpr std::size_t kItemBytes = 32;  // what a list takes for an item, about

 private:
  ChatTemplateLimits limits_;
  std::uint64_t steps_left_;
  std::size_t live_bytes_ = 0;  // never above limits_.memory_bytes
};

// Bytes held of a heap, given back at the end. Without a heap: a constant of the program.
class Charge {
 public:
  Charge() = default;
  // Takes over bytes that were held already.
  Charge(Heap& heap, std::size_t bytes) : heap_(&heap), bytes_(bytes) {}
  Charge(Charge&& other) noexcept
      : heap_(std::exchange(other.heap_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge&&) = delete;
  ~Charge() {
    if (heap_ != nullptr) heap_->release(bytes_);
  }

 private:
  Heap* heap_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace redknot::jinja
