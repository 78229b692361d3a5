// SPDX-License-Identifier: Apache-2.0
// Finds stop strings in text that arrives in pieces, and holds back what may still become part of
// one, so that not a byte of a stop string is ever delivered.
//
// The stop string that is complete first ends the text; of several complete at the same byte, the
// longest. How the text is cut into pieces makes no difference. Value; one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace redknot {

class StopMatcher {
 public:
  // Empty strings never match. Memory: one int per byte of the stop strings.
  explicit StopMatcher(const std::vector<std::string>& stops);

  // The text that is certain now: what was held back, and `piece`, without an end that may yet
  // become a stop string, or cut before one that is complete. Nothing once stopped.
  // O(bytes x stop strings).
  std::string add(std::string_view piece);

  // At the end of the text: what was held back. Nothing once stopped.
  std::string flush();

  bool stopped() const { return stopped_; }
  // The stop string that ended the text; empty if none did.
  const std::string& stopped_by() const { return stopped_by_; }

 private:
  // Knuth, Morris and Pratt: `matched` bytes of the stop string are the end of the text so far.
  struct Pattern {
    std::string text;
    std::vector<int> border;  // [text.size() + 1], longest proper border of each prefix
    int matched = 0;
  };
  static void advance(Pattern& pattern, char byte);

  std::vector<Pattern> patterns_;
  std::string held_;  // a prefix of some stop string
  std::string stopped_by_;
  bool stopped_ = false;
};

}  // namespace redknot
