// SPDX-License-Identifier: Apache-2.0
#include "text/special_tokens.h"

#include <algorithm>
#include <cstddef>

namespace redknot::text {
namespace {

// The C locale's, as llama.cpp strips.
bool is_space(char character) {
  return character == ' ' || (character >= '\t' && character <= '\r');
}

std::string_view without_trailing_space(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary, const TokenTable& table) {
  for (int id = 0; id < table.size(); ++id) {
    const VocabularyToken& token = vocabulary.tokens[static_cast<std::size_t>(id)];
    const TokenKind kind = table.kind(TokenId{id});
    const bool always = kind == TokenKind::kUserDefined;
    const bool if_asked = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    if (token.text.empty() || !(always || if_asked)) continue;
    const Entry entry = {token.text, TokenId{id}, token.strip_left, token.strip_right};
    if (always) always_.add(entry);
    with_special_.add(entry);
  }
  always_.sort();
  with_special_.sort();
}

void SpecialTokens::Entries::add(const Entry& entry) {
  sorted.push_back(entry);
  begins[static_cast<unsigned char>(entry.text[0])] = true;
}

void SpecialTokens::Entries::sort() { std::ranges::stable_sort(sorted, {}, &Entry::text); }

const SpecialTokens::Entry* SpecialTokens::Entries::longest_at_start_of(
    std::string_view text) const {
  if (!begins[static_cast<unsigned char>(text[0])]) return nullptr;
  // [first, last) are the entries that agree with the text in their first `depth` bytes.
  auto first = sorted.begin();
  auto last = sorted.end();
  const Entry* longest = nullptr;
  for (std::size_t depth = 0; first != last; ++depth) {
    // The shortest entry of the range sorts first.
    if (first->text.size() == depth) {
      longest = &*first;
      while (first != last && first->text.size() == depth) ++first;
    }
    if (depth == text.size()) break;
    const auto byte = static_cast<unsigned char>(text[depth]);
    const auto byte_of = [depth](const Entry& entry) {
      return static_cast<unsigned char>(entry.text[depth]);
    };
    first = std::partition_point(first, last, [&](const Entry& e) { return byte_of(e) < byte; });
    last = std::partition_point(first, last, [&](const Entry& e) { return byte_of(e) == byte; });
  }
  return longest;
}

std::vector<Fragment> SpecialTokens::partition(std::string_view text, bool parse_special) const {
  const Entries& entries = parse_special ? with_special_ : always_;
  std::vector<Fragment> fragments;
  std::size_t begin = 0;  // of the text not yet in fragments
  const auto add_text = [&](std::string_view part) {
    if (!part.empty()) fragments.push_back({part, {}});
  };
  for (std::size_t at = 0; at < text.size();) {
    const Entry* entry = entries.longest_at_start_of(text.substr(at));
    if (entry == nullptr) {
      ++at;
      continue;
    }
    const std::string_view before = text.substr(begin, at - begin);
    add_text(entry->strip_left ? without_trailing_space(before) : before);
    fragments.push_back({entry->text, entry->token});
    at += entry->text.size();
    while (entry->strip_right && at < text.size() && is_space(text[at])) ++at;
    begin = at;
  }
  add_text(text.substr(begin));
  return fragments;
}

}  // namespace redknot::text
