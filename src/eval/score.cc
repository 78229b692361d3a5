// SPDX-License-Identifier: Apache-2.0
#include "eval/score.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "eval/white_space.h"

namespace redknot::eval {
namespace {

constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

bool is_article(std::string_view word) { return word == "a" || word == "an" || word == "the"; }

std::string lower_without_punctuation(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (kPunctuation.find(c) != std::string_view::npos) continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

std::vector<std::string> words(std::string_view text) {
  const std::string plain = lower_without_punctuation(text);
  std::vector<std::string> out;
  std::size_t end = 0;
  for (;;) {
    const std::size_t begin = plain.find_first_not_of(kWhiteSpace, end);
    if (begin == std::string::npos) return out;
    end = std::min(plain.find_first_of(kWhiteSpace, begin), plain.size());
    std::string word = plain.substr(begin, end - begin);
    if (!is_article(word)) out.push_back(std::move(word));
  }
}

}  // namespace

std::string normalised(std::string_view answer) {
  std::string out;
  for (const std::string& word : words(answer)) out += (out.empty() ? "" : " ") + word;
  return out;
}

bool exact_match(std::string_view given, std::string_view expected) {
  return normalised(given) == normalised(expected);
}

double token_f1(std::string_view given, std::string_view expected) {
  std::vector<std::string> ours = words(given), theirs = words(expected);
  if (ours.empty() || theirs.empty()) return ours.empty() && theirs.empty() ? 1 : 0;
  std::sort(ours.begin(), ours.end());
  std::sort(theirs.begin(), theirs.end());
  std::vector<std::string> common;
  std::set_intersection(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                        std::back_inserter(common));
  // 2PR / (P + R) with P = common / ours and R = common / theirs.
  return 2.0 * static_cast<double>(common.size()) /
         static_cast<double>(ours.size() + theirs.size());
}

}  // namespace redknot::eval
