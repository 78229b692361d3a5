// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, and behind zero bytes tokenizer_config.json and generation_config.json.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/sampling_defaults.h"
#include "model/vocabulary_files.h"

namespace {

// Takes the text up to the next zero byte off the front.
std::string next_part(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\0'), rest.size());
  std::string part(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

void check_id(const redknot::Vocabulary& vocabulary, redknot::TokenId id) {
  if (static_cast<std::size_t>(id) >= vocabulary.tokens.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  redknot::HuggingFaceTokenizerFiles files;
  files.tokenizer = next_part(rest);
  files.tokenizer_config = next_part(rest);
  files.generation_config = next_part(rest);
  (void)redknot::sampling_from_json(files.generation_config);
  const auto vocabulary = redknot::vocabulary_from_huggingface(files);
  if (!vocabulary.ok()) return 0;
  for (const redknot::TokenId id : vocabulary->end_of_generation) check_id(*vocabulary, id);
  if (vocabulary->bos) check_id(*vocabulary, *vocabulary->bos);
  if (vocabulary->tokens.size() > size) std::abort();
  return 0;
}
