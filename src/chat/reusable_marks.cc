// SPDX-License-Identifier: Apache-2.0
#include "chat/reusable_marks.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace redknot::chat {
namespace {

constexpr char32_t kFirst = 0xF0000, kLast = 0x10FFFD;
constexpr std::size_t kBytes = 4;  // of each of them in UTF-8
constexpr std::string_view kWhite = " \t\n\r\f\v";

bool is_assigned(char32_t c) { return c <= 0xFFFFD || c >= 0x100000; }

std::string utf8(char32_t c) {
  std::string out;
  append_utf8(out, c);
  return out;
}

// The private character that the text begins with, or 0.
char32_t private_character(std::string_view text) {
  if (text.empty() || (text[0] != '\xF3' && text[0] != '\xF4')) return 0;
  const char32_t c = first_character(text).code_point;  // 0 if it is none
  return c >= kFirst && c <= kLast ? c : 0;
}

}  // namespace

std::set<char32_t> private_characters(std::string_view text) {
  std::set<char32_t> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = private_character(text.substr(i, kBytes));
    if (c != 0) out.insert(c);
  }
  return out;
}

std::optional<ReusableMarks> ReusableMarks::choose(int marks, const std::set<char32_t>& in_use) {
  const std::size_t wanted = 2 * static_cast<std::size_t>(marks);
  std::vector<char32_t> characters;
  characters.reserve(wanted);
  for (char32_t c = kFirst; c <= kLast && characters.size() < wanted; ++c) {
    if (is_assigned(c) && in_use.count(c) == 0) characters.push_back(c);
  }
  if (characters.size() < wanted) return {};
  return ReusableMarks(std::move(characters));
}

std::string ReusableMarks::opening(int mark) const {
  return utf8(characters_[2 * static_cast<std::size_t>(mark)]);
}

std::string ReusableMarks::closing(int mark) const {
  return utf8(characters_[2 * static_cast<std::size_t>(mark) + 1]);
}

std::string ReusableMarks::wrap(int mark, std::string_view text) const {
  const std::size_t begin = text.find_first_not_of(kWhite);
  if (begin == text.npos) return std::string(text);
  const std::size_t end = text.find_last_not_of(kWhite) + 1;
  std::string out(text.substr(0, begin));
  out += opening(mark);
  out += text.substr(begin, end - begin);
  out += closing(mark);
  out += text.substr(end);
  return out;
}

std::optional<int> ReusableMarks::character_at(std::string_view text) const {
  const char32_t c = private_character(text);
  if (c == 0) return {};
  const auto at = std::lower_bound(characters_.begin(), characters_.end(), c);
  if (at == characters_.end() || *at != c) return {};
  return static_cast<int>(at - characters_.begin());
}

MarkedRuns ReusableMarks::split(std::string_view rendered) const {
  MarkedRuns out;
  out.broken.resize(characters_.size() / 2);
  MarkedText run;
  const auto finish = [&] {
    if (!run.text.empty()) out.runs.push_back(std::move(run));
    run = {};
  };
  const auto break_mark = [&](int mark) { out.broken[static_cast<std::size_t>(mark)] = true; };
  for (std::size_t i = 0; i < rendered.size();) {
    const auto found = character_at(rendered.substr(i, kBytes));
    if (!found) {
      run.text += rendered[i];
      out.joined += rendered[i++];
      continue;
    }
    i += kBytes;
    const int mark = *found / 2;
    const bool opens = *found % 2 == 0;
    if (run.mark >= 0 && (opens || run.mark != mark)) break_mark(run.mark);
    if (!opens && run.mark != mark) break_mark(mark);
    finish();
    if (opens) run.mark = mark;
  }
  if (run.mark >= 0) break_mark(run.mark);
  finish();
  return out;
}

}  // namespace redknot::chat
