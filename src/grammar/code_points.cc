// SPDX-License-Identifier: Apache-2.0
#include "grammar/code_points.h"

#include <algorithm>

namespace redknot::grammar {
namespace {

constexpr char32_t kFirstSurrogate = 0xd800, kLastSurrogate = 0xdfff;

int encode(char32_t character, std::array<std::uint8_t, 4>& out) {
  const auto tail = [character](int shift) {
    return static_cast<std::uint8_t>(0x80 | ((character >> shift) & 0x3f));
  };
  const auto lead = [character](int mark, int shift) {
    return static_cast<std::uint8_t>(mark | (character >> shift));
  };
  if (character < 0x80) {
    out = {lead(0, 0)};
    return 1;
  }
  if (character < 0x800) {
    out = {lead(0xc0, 6), tail(0)};
    return 2;
  }
  if (character < 0x10000) {
    out = {lead(0xe0, 12), tail(6), tail(0)};
    return 3;
  }
  out = {lead(0xf0, 18), tail(12), tail(6), tail(0)};
  return 4;
}

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
  std::array<std::uint8_t, 4> low{}, high{};
  Utf8Sequence sequence;
  sequence.count = encode(first, low);
  encode(last, high);
  for (std::size_t i = 0; i < 4; ++i) sequence.bytes[i] = {low[i], high[i]};
  out.push_back(sequence);
}

}  // namespace

std::optional<char32_t> decode_utf8(std::string_view text, std::size_t& at) {
  if (at >= text.size()) return std::nullopt;
  const auto lead = static_cast<std::uint8_t>(text[at]);
  const int length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return std::nullopt;
  if (text.size() - at < static_cast<std::size_t>(length)) return std::nullopt;
  constexpr std::array<char32_t, 5> kLeadBits = {0, 0x7f, 0x1f, 0x0f, 0x07};
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const auto size = static_cast<std::size_t>(length);
  char32_t character = lead & kLeadBits[size];
  for (std::size_t i = 1; i < size; ++i) {
    const auto byte = static_cast<std::uint8_t>(text[at + i]);
    if ((byte & 0xc0) != 0x80) return std::nullopt;
    character = (character << 6) | (byte & 0x3f);
  }
  if (character < kLeast[size] || character > kLastCodePoint) return std::nullopt;
  if (character >= kFirstSurrogate && character <= kLastSurrogate) return std::nullopt;
  at += size;
  return character;
}

std::optional<std::u32string> decode_utf8(std::string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::optional<char32_t> character = decode_utf8(text, at);
    if (!character) return std::nullopt;
    out += *character;
  }
  return out;
}

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
