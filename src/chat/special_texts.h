// SPDX-License-Identifier: Apache-2.0
// The texts that stand for a model's special tokens, such as "<|im_end|>": what clients write is
// never to become one of them.
//
// The Service makes one SpecialTexts per model, as part of its ChatModel; chat_prompt and
// template_input look for them in what requests say. It is a value that any thread may read.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::chat {

// Those of a tokenizer. Looks at every token: once per model.
std::vector<std::string> special_texts(const Tokenizer& tokenizer);

// A value; any thread.
class SpecialTexts {
 public:
  explicit SpecialTexts(std::vector<std::string> texts);

  bool appear_in(std::string_view text) const;
  // Where the last of them in the text begins.
  std::optional<std::size_t> last_in(std::string_view text) const;
  std::vector<std::string> all() const;

 private:
  std::size_t length_at(std::string_view text, std::size_t begin) const;

  std::array<std::vector<std::string>, 256> texts_{};  // by first byte, longest first
};

}  // namespace redknot::chat
