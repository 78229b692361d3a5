// SPDX-License-Identifier: Apache-2.0
#include "eval/score.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
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

bool has(std::string_view text, std::string_view part) {
  return !part.empty() && text.find(part) != std::string_view::npos;
}

Score text_score(std::string_view expected, std::string_view given) {
  return {.exact_match = exact_match(given, expected) ? 1.0 : 0.0,
          .partial = token_f1(given, expected),
          .contains = has(normalised(given), normalised(expected)) ? 1.0 : 0.0};
}

// The first line with something in it; what opens a code fence is none.
std::string_view code_line(std::string_view given) {
  while (!given.empty()) {
    const std::size_t end = std::min(given.find('\n'), given.size());
    const std::string_view line = trimmed(given.substr(0, end));
    if (!line.empty() && line.substr(0, 3) != "```") return line;
    given.remove_prefix(std::min(end + 1, given.size()));
  }
  return {};
}

Score line_score(std::string_view expected, std::string_view given) {
  const std::string_view line = code_line(given), wanted = trimmed(expected);
  return {.exact_match = line == wanted ? 1.0 : 0.0,
          .partial = edit_similarity(line, wanted),
          .contains = has(given, wanted) ? 1.0 : 0.0};
}

std::string value_text(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Score fields_score(std::string_view expected, std::string_view given) {
  const auto parsed = [](std::string_view text) {
    return nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  };
  const nlohmann::json wanted = parsed(expected), found = parsed(trimmed(given));
  if (!wanted.is_object() || wanted.empty()) return text_score(expected, given);
  const std::string plain = normalised(given);
  std::size_t right = 0, named = 0;
  for (const auto& [key, value] : wanted.items()) {
    const std::string text = value_text(value);
    if (has(plain, normalised(text))) ++named;
    if (!found.is_object()) continue;
    const auto at = found.find(key);
    if (at != found.end() && exact_match(value_text(*at), text)) ++right;
  }
  const bool all = right == wanted.size() && found.size() == wanted.size();
  return {.exact_match = all ? 1.0 : 0.0,
          .partial = static_cast<double>(right) / static_cast<double>(wanted.size()),
          .contains = named == wanted.size() ? 1.0 : 0.0};
}

// Whether the words of the item follow each other somewhere in those of the answer.
bool says(const std::vector<std::string>& answer, std::string_view item) {
  const std::vector<std::string> wanted = words(item);
  return !wanted.empty() &&
         std::search(answer.begin(), answer.end(), wanted.begin(), wanted.end()) != answer.end();
}

Score items_score(const std::vector<std::string>& expected, std::string_view given) {
  const std::vector<std::string> answer = words(given);
  const auto found = std::count_if(expected.begin(), expected.end(),
                                   [&](const std::string& item) { return says(answer, item); });
  const double share = static_cast<double>(found) / static_cast<double>(expected.size());
  const double all = share == 1 ? 1 : 0;
  return {.exact_match = all, .partial = share, .contains = all};
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

double edit_similarity(std::string_view given, std::string_view expected) {
  const std::string_view a = given.substr(0, kMostEditBytes);
  const std::string_view b = expected.substr(0, kMostEditBytes);
  const std::size_t longer = std::max(a.size(), b.size());
  if (longer == 0) return 1;
  // distances[j]: of what of `a` was met and the first j bytes of `b`.
  std::vector<std::size_t> distances(b.size() + 1);
  std::iota(distances.begin(), distances.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = distances[0];
    distances[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = distances[j + 1];
      distances[j + 1] = std::min({replaced, distances[j] + 1, distances[j + 1] + 1});
    }
  }
  return 1 - static_cast<double>(distances[b.size()]) / static_cast<double>(longer);
}

Score score(corpus::Scoring scoring, const std::vector<std::string>& expected,
            std::string_view given) {
  if (expected.empty()) return {};
  if (scoring == corpus::Scoring::kItems) return items_score(expected, given);
  const auto of_one = scoring == corpus::Scoring::kLine     ? line_score
                      : scoring == corpus::Scoring::kFields ? fields_score
                                                            : text_score;
  Score best;
  for (const std::string& answer : expected) {
    const Score one = of_one(answer, given);
    best.exact_match = std::max(best.exact_match, one.exact_match);
    best.partial = std::max(best.partial, one.partial);
    best.contains = std::max(best.contains, one.contains);
  }
  return best;
}

}  // namespace redknot::eval
