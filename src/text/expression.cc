// SPDX-License-Identifier: Apache-2.0
#include "text/expression.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

#include "base/error.h"
#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace redknot::text {
namespace {

constexpr std::size_t kPatternLimitBytes = 64 * 1024;
constexpr std::uint32_t kMatchLimit = 10'000'000;   // backtracking steps of one match
constexpr std::uint32_t kHeapLimitKib = 64 * 1024;  // memory of one match

// Unicode's White_Space, to stand in a character class.
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f})"
    R"(\x{3000})";

// Replaces \s, and \S outside of classes (inside of one, \S stays PCRE2's).
std::string with_unicode_spaces(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char character = pattern[i];
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (character == '\\' && next == 's') {
      out += in_class ? std::string(kSpaces) : concat("[", kSpaces, "]");
      ++i;
    } else if (character == '\\' && next == 'S' && !in_class) {
      out += concat("[^", kSpaces, "]");
      ++i;
    } else if (character == '\\' && i + 1 < pattern.size()) {
      out += {character, next};
      ++i;
    } else if (character == '[' && !in_class) {
      in_class = true;
      out += character;
      // A "]" that comes first is an ordinary character.
      if (next == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out += pattern[++i];
    } else {
      if (character == ']') in_class = false;
      out += character;
    }
  }
  return out;
}

// "\s+$" tries every position of every run of spaces, which takes n^2 steps for n spaces. This
// finds the same matches in n.
std::string_view without_quadratic_time(std::string_view pattern) {
  return pattern == R"(\s+$)" ? R"((?<!\s)\s++$)" : pattern;
}

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> text = {};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

void MatchScratch::Free::operator()(pcre2_real_match_data_8* data) const {
  pcre2_match_data_free(data);
}

MatchScratch::MatchScratch() : data_(pcre2_match_data_create(1, nullptr)) {
  if (data_ == nullptr) throw std::bad_alloc();
}

void Expression::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }
void Expression::Free::operator()(pcre2_real_match_context_8* context) const {
  pcre2_match_context_free(context);
}

Result<Expression> Expression::compile(std::string_view pattern) {
  if (pattern.size() > kPatternLimitBytes) {
    return unsupported("compile a split expression: ", pattern.size(), " bytes, more than ",
                       kPatternLimitBytes);
  }
  const std::string translated = with_unicode_spaces(without_quadratic_time(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  Expression expression;
  expression.code_.reset(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (expression.code_ == nullptr) {
    return unsupported("compile split expression ", pattern, ": ", message_of(error), " near byte ",
                       offset);
  }
  // Where the system forbids generated code, PCRE2 interprets instead.
  pcre2_jit_compile(expression.code_.get(), PCRE2_JIT_COMPLETE);
  expression.context_.reset(pcre2_match_context_create(nullptr));
  if (expression.context_ == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(expression.context_.get(), kMatchLimit);
  pcre2_set_heap_limit(expression.context_.get(), kHeapLimitKib);
  return expression;
}

Status Expression::split(std::string_view text, MatchScratch& scratch,
                         std::vector<std::string_view>& parts) const {
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto match = [&](std::size_t from, std::uint32_t options) {
    return pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | options,
                       scratch.data_.get(), context_.get());
  };
  const PCRE2_SIZE* borders = pcre2_get_ovector_pointer(scratch.data_.get());
  std::size_t done = 0;  // what lies before is in parts
  std::size_t from = 0;
  while (from < text.size()) {
    int outcome = match(from, 0);
    // Generated code has a small fixed stack; the interpreter takes memory from the heap.
    if (outcome == PCRE2_ERROR_JIT_STACKLIMIT) outcome = match(from, PCRE2_NO_JIT);
    if (outcome == PCRE2_ERROR_NOMATCH) break;
    if (outcome < 0) {
      return Error(ErrorCode::kResourceExhausted,
                   concat("split text at byte ", from, ": ", message_of(outcome)));
    }
    const std::size_t begin = std::max(borders[0], done);
    const std::size_t end = borders[1];
    from = end;
    if (end <= begin) {  // an empty match cuts nothing
      from = begin + 1;
      while (from < text.size() && is_continuation(text[from])) ++from;
      continue;
    }
    if (begin > done) parts.push_back(text.substr(done, begin - done));
    parts.push_back(text.substr(begin, end - begin));
    done = end;
  }
  if (done < text.size()) parts.push_back(text.substr(done));
  return Done{};
}

}  // namespace redknot::text
