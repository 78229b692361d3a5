// SPDX-License-Identifier: Apache-2.0
// A TokenMasker says which tokens of a vocabulary may follow, so that an answer stays what it has
// to be.
//
// Most tokens are plain content of strings: whole characters that need no escape. Within a string
// all of them may follow (as far as its length allows), and only the others are tried byte by byte.
// An engine has one once its first constrained request is submitted, and its step loop asks it
// before it samples. It is immutable and may be asked from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/acceptor.h"
#include "grammar/token_trie.h"
#include "redknot/result.h"

namespace redknot::grammar {

// A set of token ids.
using TokenSet = std::vector<std::uint64_t>;
inline bool contains(const TokenSet& set, int token) {
  const auto bit = static_cast<std::uint64_t>(token);
  return ((set[bit / 64] >> (bit % 64)) & 1) != 0;
}
inline void insert(TokenSet& set, int token) {
  const auto bit = static_cast<std::uint64_t>(token);
  set[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

class TokenMasker {
 public:
  // The bytes of each token by id; one without bytes is never allowed. They must outlive this.
  explicit TokenMasker(std::span<const std::string_view> tokens);

  // Leaves the acceptor as it was. kResourceExhausted if the grammar is so ambiguous that it would
  // take unreasonably long.
  Result<TokenSet> allowed(Acceptor& acceptor) const;

 private:
  Status walk(const TokenTrie& trie, Acceptor& acceptor, TokenSet& out) const;

  std::size_t words_ = 0;
  TokenTrie plain_, other_;
  std::vector<std::pair<int, int>> plain_lengths_;  // characters, token; shortest first
  TokenSet all_plain_;
};

}  // namespace redknot::grammar
