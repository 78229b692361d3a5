// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_trie.h"

#include <algorithm>
#include <cstddef>

namespace redknot::grammar {

TokenTrie::TokenTrie(std::vector<std::pair<std::string_view, int>> tokens) {
  std::sort(tokens.begin(), tokens.end());
  std::vector<std::size_t> path;  // nodes of the token before
  std::string_view before;
  tokens_.reserve(tokens.size());
  const auto leave = [&](std::size_t depth) {
    for (; path.size() > depth; path.pop_back()) {
      nodes_[path.back()].behind = static_cast<std::uint32_t>(nodes_.size());
    }
  };
  for (const auto& [bytes, token] : tokens) {
    const auto differs = std::mismatch(before.begin(), before.end(), bytes.begin(), bytes.end());
    leave(static_cast<std::size_t>(differs.first - before.begin()));
    for (std::size_t depth = path.size(); depth < bytes.size(); ++depth) {
      path.push_back(nodes_.size());
      const auto end = static_cast<std::uint32_t>(tokens_.size());
      nodes_.push_back({static_cast<std::uint8_t>(bytes[depth]), static_cast<std::uint32_t>(depth),
                        0, end, end});
    }
    tokens_.push_back(token);
    nodes_[path.back()].last = static_cast<std::uint32_t>(tokens_.size());
    before = bytes;
  }
  leave(0);
}

}  // namespace redknot::grammar
