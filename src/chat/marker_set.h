// SPDX-License-Identifier: Apache-2.0
// Finds strings that mean something in text that comes in pieces.
//
// A MarkerSet is a value that owns its strings. Readers of answers have one of the marks of their
// notation, and all answers share one of the texts of special tokens. Any number of threads may
// call its const functions.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace redknot::chat {

class MarkerSet {
 public:
  MarkerSet() = default;
  // Empty strings are left out.
  explicit MarkerSet(std::vector<std::string> markers);

  struct Match {
    std::size_t length = 0;  // of the longest marker that begins here; 0: none does
    bool open = false;       // all of the text is the beginning of a longer marker
  };
  // What `text` begins with. O(length of the longest marker x log of their number).
  Match match(std::string_view text) const;
  bool empty() const { return markers_.empty(); }

 private:
  std::vector<std::string> markers_;  // sorted, each once
  std::array<bool, 256> first_{};     // bytes that a marker begins with
};

}  // namespace redknot::chat
