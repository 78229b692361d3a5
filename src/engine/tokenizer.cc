// SPDX-License-Identifier: Apache-2.0
#include "engine/tokenizer_state.h"

#include "base/error.h"
#include "model/vocabulary_files.h"

namespace redknot {

Tokenizer::Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::open(const std::filesystem::path& path) {
  REDKNOT_TRY(Vocabulary vocabulary, read_vocabulary(path));
  auto tokenizer = text::Tokenizer::create(std::move(vocabulary));
  if (!tokenizer.ok()) return tokenizer.error().within(concat("open ", path));
  return Tokenizer(std::make_shared<const State>(State{std::move(*tokenizer)}));
}

Result<std::vector<int>> Tokenizer::tokenize(std::string_view text, bool add_special,
                                             bool parse_special) const {
  REDKNOT_TRY(
      const std::vector<TokenId> ids,
      state_->tokenizer.encode(text, {.add_special = add_special, .parse_special = parse_special}));
  std::vector<int> tokens;
  tokens.reserve(ids.size());
  for (const TokenId id : ids) tokens.push_back(static_cast<int>(id));
  return tokens;
}

Result<std::string> Tokenizer::detokenize(std::span<const int> tokens, bool show_special) const {
  std::vector<TokenId> ids;
  ids.reserve(tokens.size());
  for (const int token : tokens) ids.push_back(TokenId{token});
  return state_->tokenizer.decode(ids, show_special);
}

int Tokenizer::size() const { return state_->tokenizer.size(); }

}  // namespace redknot
