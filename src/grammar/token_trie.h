// SPDX-License-Identifier: Apache-2.0
// A TokenTrie holds the bytes of many tokens as one tree, laid out in the order of a walk that goes
// down first.
//
// A TokenMasker owns two, of the tokens that are plain content of strings and of the others, and
// walks them beside an Acceptor. They are immutable and may be walked from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace redknot::grammar {

class TokenTrie {
 public:
  struct Node {
    std::uint8_t byte = 0;
    std::uint32_t depth = 0;            // of the first bytes: 0
    std::uint32_t behind = 0;           // the first node that is not below this one
    std::uint32_t first = 0, last = 0;  // tokens()[first..last) end here
  };

  TokenTrie() = default;
  // Bytes, not empty, and ids; any order.
  explicit TokenTrie(std::vector<std::pair<std::string_view, int>> tokens);

  std::span<const Node> nodes() const { return nodes_; }
  std::span<const int> tokens(const Node& node) const {
    return std::span(tokens_).subspan(node.first, node.last - node.first);
  }

 private:
  std::vector<Node> nodes_;
  std::vector<int> tokens_;
};

}  // namespace redknot::grammar
