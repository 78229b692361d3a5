// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_masker.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"

namespace redknot::grammar {
namespace {

constexpr std::uint64_t kMaxWork = std::uint64_t{1} << 24;  // ways, some nanoseconds each

// How many characters, all of which a JSON string holds as they are; nothing for other bytes.
std::optional<int> plain_characters(std::string_view bytes) {
  int count = 0;
  for (; !bytes.empty(); ++count) {
    const auto [character, length, state] = first_character(bytes);
    if (state != Utf8State::kValid || character < 0x20 || character == '"' || character == '\\') {
      return std::nullopt;
    }
    bytes.remove_prefix(static_cast<std::size_t>(length));
  }
  return count;
}

}  // namespace

TokenMasker::TokenMasker(std::span<const std::string_view> tokens)
    : words_((tokens.size() + 63) / 64), all_plain_(words_) {
  std::vector<std::pair<std::string_view, int>> plain, other;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].empty()) continue;
    const int token = static_cast<int>(i);
    const std::optional<int> length = plain_characters(tokens[i]);
    (length ? plain : other).emplace_back(tokens[i], token);
    if (!length) continue;
    plain_lengths_.emplace_back(*length, token);
    insert(all_plain_, token);
  }
  std::sort(plain_lengths_.begin(), plain_lengths_.end());
  plain_ = TokenTrie(std::move(plain));
  other_ = TokenTrie(std::move(other));
}

Result<TokenSet> TokenMasker::allowed(Acceptor& acceptor) const {
  TokenSet out(words_);
  const int most = acceptor.plain_characters();
  if (most == kAnyCharacters) {
    out = all_plain_;
  } else {
    for (const auto& [length, token] : plain_lengths_) {
      if (length > most) break;
      insert(out, token);
    }
  }
  REDKNOT_RETURN_IF_ERROR(walk(other_, acceptor, out));
  acceptor.push_outside_strings();
  const Status status = walk(plain_, acceptor, out);
  acceptor.pop();
  REDKNOT_RETURN_IF_ERROR(status);
  return out;
}

Status TokenMasker::walk(const TokenTrie& trie, Acceptor& acceptor, TokenSet& out) const {
  const std::uint64_t limit = acceptor.work() + kMaxWork;
  const auto nodes = trie.nodes();
  std::uint32_t depth = 0;
  for (std::size_t i = 0; i < nodes.size() && acceptor.work() < limit;) {
    const TokenTrie::Node& node = nodes[i];
    for (; depth > node.depth; --depth) acceptor.pop();
    if (!acceptor.push(node.byte)) {
      i = node.behind;
      continue;
    }
    ++depth;
    for (const int token : trie.tokens(node)) insert(out, token);
    ++i;
  }
  for (; depth > 0; --depth) acceptor.pop();
  if (acceptor.work() >= limit) {
    return exhausted("constraint: too many ways to read what the answer is so far");
  }
  return Done{};
}

}  // namespace redknot::grammar
