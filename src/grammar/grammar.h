// SPDX-License-Identifier: Apache-2.0
// What an answer may be, as tables: a pushdown automaton over bytes.
//
// A rule is a deterministic automaton of its own. In a state it may take a byte, call rules (then
// a copy of each runs, and what called it goes on in another state when it returns), and return.
// No rule matches the empty text, and from each state that can be reached a return can be.
// Immutable once built; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace redknot::grammar {

inline constexpr std::uint32_t kDead = 0xffffffff;  // a state that nothing can follow
inline constexpr int kAnyCharacters = std::numeric_limits<int>::max();

struct Call {
  std::uint32_t rule = 0;
  std::uint32_t return_state = 0;
};

struct State {
  std::uint32_t first_call = 0, call_count = 0;  // in Grammar::calls
  bool returns = false;
  bool goes_on = false;  // takes bytes, or calls
  // Within a JSON string, at a character's begin. So many characters that need no escape may
  // follow, and nothing but these, escapes and the closing quote.
  bool in_string = false;
  int plain_characters = 0;
};

struct Grammar {
  std::array<std::uint8_t, 256> class_of{};  // bytes that no rule tells apart
  std::uint32_t classes = 0;
  std::vector<std::uint32_t> next{};  // [states, classes]
  std::vector<State> states{};
  std::vector<Call> calls{};
  std::vector<std::uint32_t> starts{};  // by rule
  std::uint32_t root = 0;               // the rule of a whole answer

  std::uint32_t after(std::uint32_t state, std::uint8_t byte) const {
    return next[std::size_t{state} * classes + class_of[byte]];
  }
};

}  // namespace redknot::grammar
