// SPDX-License-Identifier: Apache-2.0
#include "grammar/pattern_parser.h"

#include "base/error.h"
#include "grammar/pattern.h"

namespace redknot::grammar {
namespace {

constexpr int kMaxGroups = 32;  // within each other

CodePointSet of(std::initializer_list<CodePointSet::Range> ranges) {
  CodePointSet out;
  for (const auto& range : ranges) out.add(range.first, range.last);
  return out;
}

CodePointSet one(char32_t character) { return of({{character, character}}); }
CodePointSet digit() { return of({{'0', '9'}}); }
CodePointSet word() { return of({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}); }
CodePointSet white_space() {
  return of({{9, 13},
             {' ', ' '},
             {0xa0, 0xa0},
             {0x1680, 0x1680},
             {0x2000, 0x200a},
             {0x2028, 0x2029},
             {0x202f, 0x202f},
             {0x205f, 0x205f},
             {0x3000, 0x3000},
             {0xfeff, 0xfeff}});
}
CodePointSet dot() { return of({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}).complement(); }

bool is_in(char32_t character, std::u32string_view set) {
  return set.find(character) != std::u32string_view::npos;
}

}  // namespace

Error PatternParser::refuse(std::string_view what) const {
  return unsupported(what, " at character ", at_, " is not supported");
}

Error PatternParser::wrong(std::string_view what) const {
  return invalid(what, " at character ", at_);
}

bool PatternParser::take(char32_t character) {
  if (at_end() || text_[at_] != character) return false;
  ++at_;
  return true;
}

bool PatternParser::take(std::u32string_view characters) {
  if (text_.substr(at_, characters.size()) != characters) return false;
  at_ += characters.size();
  return true;
}

Result<std::vector<AnchoredExpression>> PatternParser::parse() {
  std::vector<AnchoredExpression> out;
  do {
    AnchoredExpression one;
    one.at_begin = take(U'^');
    REDKNOT_TRY(one.expression, sequence(0));
    one.at_end = take(U'$');
    out.push_back(std::move(one));
  } while (take(U'|'));
  if (!at_end())
    return peek() == ')' ? wrong("\")\" without \"(\"") : refuse("\"$\" in the middle");
  return out;
}

Result<Expression> PatternParser::sequence(int depth) {
  Expression out;
  while (!at_end() && !is_in(peek(), U"|)$")) {
    REDKNOT_TRY(Expression one, atom(depth));
    REDKNOT_TRY(Expression part, quantified(std::move(one)));
    out.parts.push_back(std::move(part));
  }
  return out;
}

Result<Expression> PatternParser::alternatives(int depth) {
  Expression out{.kind = Expression::Kind::kAlternatives};
  do {
    REDKNOT_TRY(Expression one, sequence(depth));
    out.parts.push_back(std::move(one));
  } while (take(U'|'));
  return out;
}

Result<Expression> PatternParser::group(int depth) {
  if (depth == kMaxGroups) return exhausted("more than ", kMaxGroups, " groups in each other");
  if (take(U"?<")) {
    if (is_in(peek(), U"=!")) return refuse("a look behind");
    while (!at_end() && peek() != '>') ++at_;
    if (!take(U'>')) return wrong("the name of a group does not end");
  } else if (peek() == '?' && !take(U"?:")) {
    return refuse("a look ahead or modifier");
  }
  REDKNOT_TRY(Expression out, alternatives(depth + 1));
  if (peek() == '$') return refuse("\"$\" in a group");
  if (!take(U')')) return wrong("\"(\" without \")\"");
  return out;
}

Result<Expression> PatternParser::atom(int depth) {
  const char32_t character = peek();
  if (character == '^') return refuse("\"^\" in the middle");
  if (is_in(character, U"?*+{")) return wrong("a quantifier without anything before it");
  ++at_;
  if (character == '(') return group(depth);
  Expression out{.kind = Expression::Kind::kCharacter};
  if (character == '[') {
    REDKNOT_TRY(out.characters, bracket());
  } else if (character == '\\') {
    REDKNOT_TRY(out.characters, escape(false));
  } else {
    out.characters = character == '.' ? dot() : one(character);
  }
  return out;
}

std::optional<int> PatternParser::number() {
  std::optional<int> out;
  for (; peek() >= '0' && peek() <= '9'; ++at_) {
    const int digit = static_cast<int>(peek() - '0');
    out = std::min(out.value_or(0) * 10 + digit, kMaxRepetitions + 1);
  }
  return out;
}

Result<std::optional<std::pair<int, std::optional<int>>>> PatternParser::quantifier() {
  using Bounds = std::pair<int, std::optional<int>>;
  std::optional<Bounds> out;
  if (take(U'?')) return out = Bounds(0, 1);
  if (take(U'*')) return out = Bounds(0, std::nullopt);
  if (take(U'+')) return out = Bounds(1, std::nullopt);
  if (!take(U'{')) return out;
  const std::optional<int> least = number();
  if (!least) return wrong("no number in {}");
  out = Bounds(*least, *least);
  if (take(U',')) out->second = number();
  if (!take(U'}')) return wrong("\"{\" without \"}\"");
  if (out->second && *out->second < *least) return wrong("numbers out of order in {}");
  if (std::max(*least, out->second.value_or(0)) > kMaxRepetitions) {
    return exhausted("more than ", kMaxRepetitions, " repetitions");
  }
  return out;
}

Result<Expression> PatternParser::quantified(Expression atom) {
  REDKNOT_TRY(const auto bounds, quantifier());
  if (!bounds) return atom;
  take(U'?');
  Expression out{.kind = Expression::Kind::kRepeat};
  out.least = bounds->first;
  out.most = bounds->second;
  out.parts.push_back(std::move(atom));
  return out;
}

Result<CodePointSet> PatternParser::bracket() {
  const bool negated = take(U'^');
  CodePointSet out;
  while (!take(U']')) {
    if (at_end()) return wrong("\"[\" without \"]\"");
    const auto item = [this]() -> Result<CodePointSet> {
      if (take(U'\\')) return escape(true);
      return one(text_[at_++]);
    };
    REDKNOT_TRY(const CodePointSet first, item());
    if (peek() != '-' || peek(1) == ']' || at_ + 1 >= text_.size()) {
      out.add(first);
      continue;
    }
    ++at_;
    REDKNOT_TRY(const CodePointSet last, item());
    const auto from = first.ranges(), to = last.ranges();
    const bool characters = from.size() == 1 && to.size() == 1 && from[0].first == from[0].last &&
                            to[0].first == to[0].last;
    if (!characters || from[0].first > to[0].first) return wrong("a range that is none");
    out.add(from[0].first, to[0].first);
  }
  return negated ? out.complement() : out;
}

Result<char32_t> PatternParser::hexadecimal(std::size_t digits) {
  char32_t out = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const char32_t c = peek();
    const bool decimal = c >= '0' && c <= '9', lower = c >= 'a' && c <= 'f';
    if (!decimal && !lower && !(c >= 'A' && c <= 'F')) return wrong("no hexadecimal digit");
    out = out * 16 + (decimal ? c - '0' : c - (lower ? 'a' : 'A') + 10);
    ++at_;
  }
  return out;
}

// Behind "\u".
Result<CodePointSet> PatternParser::unicode_escape() {
  std::size_t digits = 4;
  const bool braces = take(U'{');
  if (braces) {
    const std::size_t end = text_.find(U'}', at_);
    if (end == std::u32string_view::npos || end == at_ || end - at_ > 6) {
      return wrong("no character in \\u{}");
    }
    digits = end - at_;
  }
  REDKNOT_TRY(char32_t value, hexadecimal(digits));
  if (braces) take(U'}');
  if (value >= 0xd800 && value < 0xdc00 && !braces && take(U"\\u")) {
    REDKNOT_TRY(const char32_t low, hexadecimal(4));
    if (low < 0xdc00 || low > 0xdfff) return wrong("half a surrogate pair");
    value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
  }
  if (value > kLastCodePoint) return wrong("no character");
  if (value >= 0xd800 && value <= 0xdfff) return wrong("half a surrogate pair");
  return one(value);
}

// Behind the backslash.
Result<CodePointSet> PatternParser::escape(bool in_bracket) {
  if (at_end()) return wrong("a backslash without anything behind it");
  const char32_t character = text_[at_++];
  constexpr std::u32string_view kLetters = U"nrtfv0", kMeanings(U"\n\r\t\f\v\0", 6);
  if (const std::size_t found = kLetters.find(character); found != std::u32string_view::npos) {
    if (character == '0' && peek() >= '0' && peek() <= '9') return refuse("an octal escape");
    return one(kMeanings[found]);
  }
  switch (character) {
    case 'd':
      return digit();
    case 'D':
      return digit().complement();
    case 'w':
      return word();
    case 'W':
      return word().complement();
    case 's':
      return white_space();
    case 'S':
      return white_space().complement();
    case 'u':
      return unicode_escape();
    case 'b':
      if (in_bracket) return one('\b');
      return refuse("the boundary \\b");
    case 'x': {
      REDKNOT_TRY(const char32_t value, hexadecimal(2));
      return one(value);
    }
    default:
      break;
  }
  if (word().contains(character)) {
    return refuse(concat("\\", static_cast<char>(character)));
  }
  return one(character);
}

}  // namespace redknot::grammar
