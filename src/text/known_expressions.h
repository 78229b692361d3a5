// SPDX-License-Identifier: Apache-2.0
// The pre-tokenizers that GGUF files name, with the expressions of the models' own tokenizer.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace redknot::text {

struct KnownPreTokenizer {
  std::vector<std::string_view> names;  // values of tokenizer.ggml.pre
  std::vector<std::string> expressions;
};

std::vector<KnownPreTokenizer> known_pre_tokenizers();

}  // namespace redknot::text
