// SPDX-License-Identifier: Apache-2.0
#include "grammar/rule_nodes.h"

namespace redknot::grammar {

RuleNodes::RuleNodes() : nodes_(1) {}

int RuleNodes::add(Node node) {
  if (nodes_.size() >= kMaxNodes) {
    full_ = true;
    return done();
  }
  nodes_.push_back(node);
  return static_cast<int>(nodes_.size()) - 1;
}

int RuleNodes::bytes(const ByteSet& set, int next, int plain_characters) {
  if (set.none() || next == kNothing) return kNothing;
  const auto [found, is_first] = set_index_.try_emplace(set, static_cast<int>(sets_.size()));
  if (is_first) sets_.push_back(set);
  return add({Node::Kind::kBytes, next, found->second, plain_characters});
}

int RuleNodes::byte(char value, int next) {
  const auto byte = static_cast<std::uint8_t>(value);
  return range(byte, byte, next);
}

int RuleNodes::range(std::uint8_t first, std::uint8_t last, int next, int plain) {
  ByteSet set;
  for (int value = first; value <= last; ++value) set.set(static_cast<std::size_t>(value));
  return bytes(set, next, plain);
}

int RuleNodes::literal(std::string_view text, int next) {
  for (; !text.empty(); text.remove_suffix(1)) next = byte(text.back(), next);
  return next;
}

int RuleNodes::any_of(std::string_view characters, int next) {
  ByteSet set;
  for (const char character : characters) set.set(static_cast<std::uint8_t>(character));
  return bytes(set, next);
}

int RuleNodes::characters(const CodePointSet& set, int next, int plain_characters) {
  ByteSet ascii;
  int out = kNothing;
  for (const CodePointSet::Range& range : set.ranges()) {
    for (const Utf8Sequence& sequence : utf8_sequences(range)) {
      if (sequence.count == 1) {
        for (int value = sequence.bytes[0].first; value <= sequence.bytes[0].second; ++value) {
          ascii.set(static_cast<std::size_t>(value));
        }
        continue;
      }
      int node = next;
      for (int i = sequence.count - 1; i >= 0; --i) {
        const auto [first, last] = sequence.bytes[static_cast<std::size_t>(i)];
        node = this->range(first, last, node, i == 0 ? plain_characters : kNotInString);
      }
      out = either(out, node);
    }
  }
  return either(out, bytes(ascii, next, plain_characters));
}

int RuleNodes::either(int a, int b) {
  if (a == kNothing || a == b) return b;
  if (b == kNothing) return a;
  return add({Node::Kind::kEither, a, b, kNotInString});
}

int RuleNodes::call(int rule, int next, int plain_characters) {
  if (next == kNothing) return kNothing;
  return add({Node::Kind::kCall, next, rule, plain_characters});
}

int RuleNodes::hole() { return add({Node::Kind::kEither, kNothing, kNothing, kNotInString}); }

void RuleNodes::fill(int hole, int target) {
  if (!full_) nodes_[static_cast<std::size_t>(hole)].next = target;
}

}  // namespace redknot::grammar
