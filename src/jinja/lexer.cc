// SPDX-License-Identifier: Apache-2.0
#include "jinja/lexer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/text_literal.h"

namespace redknot::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }

// Line ends as "\n", without the last one.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag();
      const bool is_tag = tag < source_.size();
      const char kind = is_tag ? source_[tag + 1] : ' ';
      const char sign = is_tag ? sign_at(tag + 2) : ' ';
      add_plain(source_.substr(at_, tag - at_), sign, is_tag && kind != '{');
      if (!is_tag) break;
      move_to(tag);
      tag_line_ = line_;
      move_to(tag + (sign == ' ' ? 2 : 3));
      if (kind == '#') {
        REDKNOT_RETURN_IF_ERROR(comment());
      } else if (kind == '%') {
        REDKNOT_RETURN_IF_ERROR(block());
      } else {
        add(TokenKind::kOutputBegin, "");
        REDKNOT_RETURN_IF_ERROR(inside("}}", TokenKind::kOutputEnd));
      }
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return source_.substr(at_); }
  bool begins(std::string_view text) const { return rest().substr(0, text.size()) == text; }
  Error fail(std::string_view why) const { return invalid("line ", line_, ": ", why); }

  void add(TokenKind kind, std::string text) {
    tokens_.push_back({.kind = kind, .text = std::move(text), .line = line_});
  }

  void move_to(std::size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    if (to > at_) line_start_ = source_[to - 1] == '\n';
    at_ = to;
  }
  void skip_spaces() {
    const std::string_view left = strip_left(rest());
    move_to(source_.size() - left.size());
  }

  std::size_t next_tag() const {
    for (std::size_t at = source_.find('{', at_); at != std::string_view::npos;
         at = source_.find('{', at + 1)) {
      const char next = at + 1 < source_.size() ? source_[at + 1] : ' ';
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return source_.size();
  }

  // '-' or '+' at a tag's begin, else ' '.
  char sign_at(std::size_t at) const {
    const char c = at < source_.size() ? source_[at] : ' ';
    return c == '-' || c == '+' ? c : ' ';
  }

  // Text before a tag: "{%-" takes all white space away, "{%" what stands before it on its line.
  void add_plain(std::string_view text, char sign, bool is_block) {
    if (sign == '-') {
      text = strip_right(text);
    } else if (sign == ' ' && is_block) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
      if ((start > 0 || line_start_) && strip_left(text.substr(start)).empty()) {
        text = text.substr(0, start);
      }
    }
    if (!text.empty()) add(TokenKind::kPlain, std::string(text));
  }

  // After the end of a block tag or comment that is `bytes` long and has `sign` before it.
  void end_block(char sign, std::size_t bytes) {
    move_to(at_ + bytes);
    if (sign == '-') {
      skip_spaces();
    } else if (sign != '+' && begins("\n")) {
      move_to(at_ + 1);
    }
  }

  Status comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) {
      line_ = tag_line_;
      return fail("a comment does not end");
    }
    const char sign = end > at_ ? sign_at(end - 1) : ' ';
    move_to(end);
    end_block(sign, 2);
    return Done{};
  }

  // Where `{% word %}` ends if its words begin at `at`, and the sign before its end.
  std::optional<std::pair<std::size_t, char>> lone_word(std::size_t at,
                                                        std::string_view word) const {
    std::string_view text = strip_left(source_.substr(at));
    if (text.substr(0, word.size()) != word) return std::nullopt;
    text = strip_left(text.substr(word.size()));
    const char sign = text.empty() ? ' ' : text[0];
    if (sign == '-' || sign == '+') text.remove_prefix(1);
    if (text.substr(0, 2) != "%}") return std::nullopt;
    return std::pair(source_.size() - text.size() + 2, sign);
  }

  Status block() {
    const auto raw = lone_word(at_, "raw");
    if (raw && raw->second != '+') return raw_block(raw->first, raw->second);
    add(TokenKind::kTagBegin, "");
    return inside("%}", TokenKind::kTagEnd);
  }

  Status raw_block(std::size_t body, char sign) {
    move_to(body);
    if (sign == '-') skip_spaces();
    for (std::size_t tag = source_.find("{%", at_); tag != std::string_view::npos;
         tag = source_.find("{%", tag + 1)) {
      const char begin_sign = sign_at(tag + 2);
      const auto end = lone_word(tag + (begin_sign == ' ' ? 2 : 3), "endraw");
      if (!end) continue;
      add_plain(source_.substr(at_, tag - at_), begin_sign, true);
      move_to(end->first);
      end_block(end->second, 0);
      return Done{};
    }
    line_ = tag_line_;
    return fail("a raw block does not end");
  }

  // The tokens of a tag up to and with its end.
  Status inside(std::string_view end, TokenKind end_kind) {
    brackets_.clear();
    while (at_ < source_.size()) {
      skip_spaces();
      if (brackets_.empty()) {
        const char sign = sign_at(at_);
        const bool signed_end =
            (sign == '-' || (sign == '+' && end == "%}")) && source_.substr(at_ + 1, 2) == end;
        if (signed_end || begins(end)) {
          add(end_kind, "");
          move_to(at_ + (signed_end ? 1 : 0));
          finish_tag(signed_end ? sign : ' ', end);
          return Done{};
        }
      }
      if (at_ < source_.size()) REDKNOT_RETURN_IF_ERROR(token());
    }
    line_ = tag_line_;
    return fail("a tag does not end");
  }

  void finish_tag(char sign, std::string_view end) {
    if (end == "%}") {
      end_block(sign, 2);
    } else {
      move_to(at_ + 2);
      if (sign == '-') skip_spaces();
    }
  }

  Status token() {
    const char c = source_[at_];
    if (c == '"' || c == '\'') return text_literal(c);
    if (is_digit(c)) return number();
    if (is_name_start(c)) {
      std::size_t end = at_ + 1;
      while (end < source_.size() && is_name_part(source_[end])) ++end;
      add(TokenKind::kName, std::string(source_.substr(at_, end - at_)));
      move_to(end);
      return Done{};
    }
    return operation();
  }

  Status text_literal(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return fail("a text does not end");
    auto text = resolve_escapes(source_.substr(at_ + 1, end - at_ - 1));
    if (!text.ok()) return fail(text.error().message());
    add(TokenKind::kText, *std::move(text));
    move_to(end + 1);
    return Done{};
  }

  // Digits with single underscores between them, from `at`.
  std::size_t digits_end(std::size_t at) const {
    while (at < source_.size() &&
           (is_digit(source_[at]) ||
            (source_[at] == '_' && at + 1 < source_.size() && is_digit(source_[at + 1])))) {
      ++at;
    }
    return at;
  }
  bool is_digit_at(std::size_t at) const { return at < source_.size() && is_digit(source_[at]); }

  Status number() {
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    std::size_t end = digits_end(at_);
    bool is_float = false;
    if (!after_dot) {
      if (end < source_.size() && source_[end] == '.' && is_digit_at(end + 1)) {
        is_float = true;
        end = digits_end(end + 1);
      }
      if (end < source_.size() && (source_[end] | 0x20) == 'e') {
        const std::size_t digits = end + (sign_at(end + 1) == ' ' ? 1 : 2);
        if (is_digit_at(digits)) {
          is_float = true;
          end = digits_end(digits);
        }
      }
    }
    std::string text(source_.substr(at_, end - at_));
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    if (end < source_.size() && is_name_start(source_[end])) {
      return fail(concat("'", text, source_[end], "' is no number"));
    }
    add(is_float ? TokenKind::kFloat : TokenKind::kInteger, std::move(text));
    move_to(end);
    return Done{};
  }

  Status operation() {
    static constexpr std::array<std::string_view, 26> kOperators = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const std::string_view op : kOperators) {
      if (!begins(op)) continue;
      REDKNOT_RETURN_IF_ERROR(balance(op[0]));
      add(TokenKind::kOperator, std::string(op));
      move_to(at_ + op.size());
      return Done{};
    }
    return fail(concat("unexpected '", rest().substr(0, character_bytes(rest())), "'"));
  }

  Status balance(char bracket) {
    static constexpr std::string_view kOpening = "([{";
    static constexpr std::string_view kClosing = ")]}";
    const std::size_t opening = kOpening.find(bracket);
    if (opening != kOpening.npos) brackets_ += kClosing[opening];
    if (kClosing.find(bracket) == kClosing.npos) return Done{};
    if (brackets_.empty()) return fail(concat("unexpected '", bracket, "'"));
    if (brackets_.back() != bracket) {
      return fail(concat("unexpected '", bracket, "', expected '", brackets_.back(), "'"));
    }
    brackets_.pop_back();
    return Done{};
  }

  std::string_view source_;
  std::size_t at_ = 0;
  int line_ = 1;
  int tag_line_ = 1;
  bool line_start_ = true;  // was the last byte of the last match a newline?
  std::string brackets_;    // what closes those that are open
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) {
  const std::string text = normalized(source);
  return Lexer(text).run();
}

}  // namespace redknot::jinja
