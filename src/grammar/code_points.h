// SPDX-License-Identifier: Apache-2.0
// Sets of Unicode characters, and which bytes UTF-8 writes for the characters of a range.
//
// Rules about strings are built from them: what a JSON string may hold, what a pattern's class
// matches, which names an object does not know. Surrogates are no characters. They are values, made
// while a schema is compiled, on the thread of whoever makes a Constraint.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace redknot::grammar {

inline constexpr char32_t kLastCodePoint = 0x10ffff;

class CodePointSet {
 public:
  struct Range {
    char32_t first = 0, last = 0;
  };

  void add(char32_t first, char32_t last);
  void add(const CodePointSet& other);
  bool contains(char32_t character) const;
  CodePointSet complement() const;
  CodePointSet without(const CodePointSet& other) const;
  // Sorted, apart from each other, without surrogates.
  std::vector<Range> ranges() const;

 private:
  std::vector<Range> ranges_;  // as added
};

// Of 1 to 4 bytes, each out of a range.
struct Utf8Sequence {
  std::array<std::pair<std::uint8_t, std::uint8_t>, 4> bytes{};
  int count = 0;
};

// What UTF-8 writes for the characters of a range.
std::vector<Utf8Sequence> utf8_sequences(CodePointSet::Range range);

}  // namespace redknot::grammar
