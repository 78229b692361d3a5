// SPDX-License-Identifier: Apache-2.0
// SpecialTokens finds the tokens that are matched as text before anything else: user-defined ones
// always, control and unknown ones if asked for. At each position the longest wins. A Tokenizer
// owns one and asks it at the beginning of each encode. It is immutable; const methods may be
// called from any thread. The vocabulary must outlive it.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "text/token_table.h"

namespace redknot::text {

// A special token, or the text between two of them.
struct Fragment {
  std::string_view text;
  std::optional<TokenId> token;
};

class SpecialTokens {
 public:
  SpecialTokens(const Vocabulary& vocabulary, const TokenTable& table);

  // The fragments of `text`, in order, without empty ones and without the white space that a token
  // swallows (strip_left, strip_right). O(text bytes x longest token).
  std::vector<Fragment> partition(std::string_view text, bool parse_special) const;

 private:
  struct Entry {
    std::string_view text;
    TokenId token;
    bool strip_left;
    bool strip_right;
  };
  // Sorted by text, so that the entries that share a prefix are neighbours.
  struct Entries {
    std::vector<Entry> sorted;
    std::array<bool, 256> begins = {};  // by first byte
    const Entry* longest_at_start_of(std::string_view text) const;
    void add(const Entry& entry);
    void sort();
  };

  Entries always_;
  Entries with_special_;  // these and those of always_
};

}  // namespace redknot::text
