// SPDX-License-Identifier: Apache-2.0
#include "chat/special_texts.h"

#include <algorithm>
#include <utility>

namespace redknot::chat {

std::vector<std::string> special_texts(const Tokenizer& tokenizer) {
  std::vector<std::string> texts;
  for (int token = 0; token < tokenizer.size(); ++token) {
    const auto plain = tokenizer.detokenize({&token, 1}, /*show_special=*/false);
    if (!plain.ok() || !plain->empty()) continue;
    auto shown = tokenizer.detokenize({&token, 1}, /*show_special=*/true);
    if (shown.ok() && !shown->empty()) texts.push_back(std::move(*shown));
  }
  return texts;
}

SpecialTexts::SpecialTexts(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end(),
            [](const auto& a, const auto& b) { return a.size() > b.size(); });
  for (std::string& text : texts) {
    if (text.empty()) continue;
    texts_[static_cast<unsigned char>(text.front())].push_back(std::move(text));
  }
}

std::size_t SpecialTexts::length_at(std::string_view text, std::size_t begin) const {
  const std::string_view rest = text.substr(begin);
  for (const std::string& special : texts_[static_cast<unsigned char>(rest.front())]) {
    if (rest.substr(0, special.size()) == special) return special.size();
  }
  return 0;
}

bool SpecialTexts::appear_in(std::string_view text) const {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (length_at(text, i) > 0) return true;
  }
  return false;
}

std::optional<std::size_t> SpecialTexts::last_in(std::string_view text) const {
  std::optional<std::size_t> last;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = length_at(text, i);
    if (length > 0) last = i;
    i += std::max<std::size_t>(length, 1);
  }
  return last;
}

std::vector<std::string> SpecialTexts::all() const {
  std::vector<std::string> out;
  for (const auto& texts : texts_) out.insert(out.end(), texts.begin(), texts.end());
  return out;
}

}  // namespace redknot::chat
