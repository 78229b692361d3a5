// SPDX-License-Identifier: Apache-2.0
// The pre-tokenizers that GGUF files name, with the expressions of the models' tokenizer.json files.
#pragma once

#include <span>
#include <string_view>

namespace redknot::text {

struct KnownPreTokenizer {
  std::span<const std::string_view> names;  // values of tokenizer.ggml.pre
  std::span<const std::string_view> expressions;
};

std::span<const KnownPreTokenizer> known_pre_tokenizers();

}  // namespace redknot::text
