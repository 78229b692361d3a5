// SPDX-License-Identifier: Apache-2.0
// A TokenTable knows what each token of a vocabulary means to a tokenizer: its bytes and its kind.
//
// Kinds follow llama.cpp: a token that ends generation counts as control whatever the file says.
// Bytes: normal tokens are decoded from the form they are stored in (printable alphabet, or U+2581
// for a space), byte tokens are their byte, unused ones nothing, others their text as it stands. A
// Tokenizer owns one, and builds its other parts from it. It is immutable; const methods may be
// called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/vocabulary.h"
#include "redknot/result.h"

namespace redknot::text {

// How sentence pieces write a space.
inline constexpr std::string_view kSpaceMark = "\u2581";

class TokenTable {
 public:
  TokenTable() = default;
  // kCorrupt if the vocabulary names an id that it does not have.
  static Result<TokenTable> create(const Vocabulary& vocabulary);

  int size() const { return static_cast<int>(kinds_.size()); }
  bool contains(TokenId token) const {
    return static_cast<int>(token) >= 0 && static_cast<int>(token) < size();
  }
  // Both require contains(token).
  TokenKind kind(TokenId token) const { return kinds_[static_cast<std::size_t>(token)]; }
  std::string_view bytes(TokenId token) const;

 private:
  void add(TokenKind kind, std::string_view bytes);

  std::vector<TokenKind> kinds_;
  std::vector<char> bytes_;        // of all tokens, one after another
  std::vector<std::size_t> ends_;  // ends_[token]: where its bytes end in bytes_
};

// The byte that text of the form "<0x0A>" names.
std::optional<char> byte_token_value(std::string_view text);

// Token ids by stored text, the first of equal ones; without control and unknown tokens, which
// plain text never becomes. The views point into the vocabulary.
using TextIndex = std::unordered_map<std::string_view, TokenId>;
TextIndex index_by_text(const Vocabulary& vocabulary, const TokenTable& table);

}  // namespace redknot::text
