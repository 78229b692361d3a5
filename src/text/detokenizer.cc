// SPDX-License-Identifier: Apache-2.0
#include "text/detokenizer.h"

#include <cstddef>
#include <utility>

#include "base/utf8.h"

namespace redknot::text {
namespace {

constexpr std::string_view kReplacement = "\ufffd";

}  // namespace

TokenBytes::TokenBytes(const Tokenizer& tokenizer, DetokenizeOptions options)
    : tokenizer_(tokenizer),
      show_special_(options.show_special),
      drop_space_(options.begins_text && tokenizer.vocabulary().add_space_prefix &&
                  tokenizer.vocabulary().kind != TokenizerKind::kByteLevelBpe) {}

std::string_view TokenBytes::next(TokenId token) {
  const bool hidden = tokenizer_.is_special(token) && !show_special_;
  if (hidden && token == tokenizer_.vocabulary().bos) return {};
  std::string_view bytes = hidden ? std::string_view() : tokenizer_.bytes_of(token);
  if (drop_space_ && bytes.starts_with(' ')) bytes.remove_prefix(1);
  drop_space_ = false;
  return bytes;
}

Detokenizer::Detokenizer(const Tokenizer& tokenizer, DetokenizeOptions options)
    : bytes_(tokenizer, options) {}

std::string Detokenizer::push(TokenId token) {
  waiting_ += bytes_.next(token);
  std::string text;
  std::string_view rest = waiting_;
  while (!rest.empty()) {
    const Utf8Character character = first_character(rest);
    if (character.state == Utf8State::kIncomplete) break;
    const auto length = static_cast<std::size_t>(character.length);
    text += character.state == Utf8State::kValid ? rest.substr(0, length) : kReplacement;
    rest.remove_prefix(length);
  }
  waiting_.erase(0, waiting_.size() - rest.size());
  return text;
}

std::string Detokenizer::flush() {
  const bool incomplete = !waiting_.empty();
  waiting_.clear();
  return std::string(incomplete ? kReplacement : "");
}

}  // namespace redknot::text
