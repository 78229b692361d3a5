// SPDX-License-Identifier: Apache-2.0
// A WordCache remembers where in the output the tokens of a word already stand, so that a word that
// comes again is copied instead of merged. Both kinds of tokenizers have one in their Session. It
// lives during one encode call, on one thread; the words must outlive it.
#pragma once

#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/vocabulary.h"

namespace redknot::text {

class WordCache {
 public:
  void clear() { places_.clear(); }

  // Appends the tokens of `word` to `tokens` if they are known.
  bool append(std::string_view word, std::vector<TokenId>& tokens) const {
    const auto found = places_.find(word);
    if (found == places_.end()) return false;
    for (std::size_t i = 0; i < found->second.count; ++i) {
      tokens.push_back(tokens[found->second.begin + i]);
    }
    return true;
  }

  // The tokens from `begin` to the end are those of `word`. Long words seldom come again.
  void add(std::string_view word, std::size_t begin, const std::vector<TokenId>& tokens) {
    if (word.size() > kWordLimitBytes || places_.size() >= kWordLimit) return;
    places_.emplace(word, Place{begin, tokens.size() - begin});
  }

 private:
  static constexpr std::size_t kWordLimitBytes = 64;
  static constexpr std::size_t kWordLimit = 64 * 1024;
  struct Place {
    std::size_t begin;
    std::size_t count;
  };
  std::unordered_map<std::string_view, Place> places_;
};

}  // namespace redknot::text
