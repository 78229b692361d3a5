// SPDX-License-Identifier: Apache-2.0
#include "grammar/code_points.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace redknot::grammar {
namespace {

constexpr char32_t kFirstSurrogate = 0xd800, kLastSurrogate = 0xdfff;

// Splits until all characters of a range share their length and all bytes but a full tail.
void split(CodePointSet::Range range, std::vector<Utf8Sequence>& out) {
  const char32_t first = range.first, last = range.last;  // clang 14 captures no bindings
  const auto halves = [&](char32_t end_of_first) {
    split({first, end_of_first}, out);
    split({end_of_first + 1, last}, out);
  };
  for (const char32_t end : {0x7fu, 0x7ffu, 0xffffu}) {
    if (first <= end && last > end) return halves(end);
  }
  for (int tail_bytes = 1; tail_bytes < 4 && last >= 0x80; ++tail_bytes) {
    const char32_t tail = (1u << (6 * tail_bytes)) - 1;
    if ((first & ~tail) == (last & ~tail)) continue;
    if ((first & tail) != 0) return halves(first | tail);
    if ((last & tail) != tail) return halves((last & ~tail) - 1);
  }
  std::string low, high;
  append_utf8(low, first);
  append_utf8(high, last);
  Utf8Sequence sequence{.count = static_cast<int>(low.size())};
  for (std::size_t i = 0; i < low.size(); ++i) {
    sequence.bytes[i] = {static_cast<std::uint8_t>(low[i]), static_cast<std::uint8_t>(high[i])};
  }
  out.push_back(sequence);
}

}  // namespace

void CodePointSet::add(char32_t first, char32_t last) { ranges_.push_back({first, last}); }

void CodePointSet::add(const CodePointSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
}

bool CodePointSet::contains(char32_t character) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [character](const Range& range) {
    return range.first <= character && character <= range.last;
  });
}

CodePointSet CodePointSet::complement() const {
  CodePointSet out;
  char32_t next = 0;
  std::vector<Range> sorted = ranges_;
  std::sort(sorted.begin(), sorted.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  for (const Range& range : sorted) {
    if (range.first > next) out.add(next, range.first - 1);
    next = std::max<char32_t>(next, range.last + 1);
  }
  if (next <= kLastCodePoint) out.add(next, kLastCodePoint);
  return out;
}

CodePointSet CodePointSet::without(const CodePointSet& other) const {
  CodePointSet outside = complement();
  outside.add(other);
  return outside.complement();
}

std::vector<CodePointSet::Range> CodePointSet::ranges() const {
  CodePointSet outside = complement();
  outside.add(kFirstSurrogate, kLastSurrogate);
  return outside.complement().ranges_;
}

std::vector<Utf8Sequence> utf8_sequences(CodePointSet::Range range) {
  std::vector<Utf8Sequence> out;
  split(range, out);
  return out;
}

}  // namespace redknot::grammar
