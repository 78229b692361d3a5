// SPDX-License-Identifier: Apache-2.0
// RuleNodes owns rules while they are built: a graph of nodes, of which a text is taken one byte at
// a time.
//
// Rules are built from the end: each function takes the node that follows, and returns the one to
// begin at. kNothing stands for what nothing matches. A SchemaCompiler owns one, and determinise()
// turns it into the tables of a Grammar; one thread.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/code_points.h"

namespace redknot::grammar {

using ByteSet = std::bitset<256>;

inline constexpr int kNothing = -1;
inline constexpr int kNotInString = -1;

struct Node {
  enum class Kind : std::uint8_t { kReturn, kBytes, kEither, kCall };
  Kind kind = Kind::kReturn;
  int next = kNothing;
  int other = 0;                        // the other node; or which set of bytes; or which rule
  int plain_characters = kNotInString;  // see State: of where this node stands
};

class RuleNodes {
 public:
  static constexpr std::size_t kMaxNodes = std::size_t{1} << 20;

  RuleNodes();

  int done() const { return 0; }  // the rule returns
  int bytes(const ByteSet& set, int next, int plain_characters = kNotInString);
  int byte(char value, int next);
  int range(std::uint8_t first, std::uint8_t last, int next, int plain = kNotInString);
  int literal(std::string_view text, int next);
  int any_of(std::string_view characters, int next);
  int characters(const CodePointSet& set, int next, int plain_characters = kNotInString);  // UTF-8
  int either(int a, int b);
  int call(int rule, int next, int plain_characters = kNotInString);
  // A node that is decided later, for loops.
  int hole();
  void fill(int hole, int target);

  // There are too many nodes; what was built since is not to be used.
  bool full() const { return full_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<ByteSet>& sets() const { return sets_; }

 private:
  int add(Node node);

  std::vector<Node> nodes_;
  std::vector<ByteSet> sets_;
  std::unordered_map<ByteSet, int> set_index_;
  bool full_ = false;
};

}  // namespace redknot::grammar
