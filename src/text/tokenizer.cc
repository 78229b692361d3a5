// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "text/byte_level_bpe.h"
#include "text/detokenizer.h"
#include "text/sentence_pieces.h"
#include "text/special_tokens.h"
#include "text/token_table.h"

namespace redknot::text {
namespace {

// A space mark has 3 bytes, and symbols count bytes in int.
constexpr std::size_t kTextLimitBytes = std::size_t{256} << 20;

template <typename Session>
Status encode_fragments(std::span<const Fragment> fragments, Session session,
                        std::vector<TokenId>& tokens) {
  for (const Fragment& fragment : fragments) {
    if (fragment.token) {
      tokens.push_back(*fragment.token);
    } else {
      REDKNOT_RETURN_IF_ERROR(session.encode(fragment.text, tokens));
    }
  }
  return Done{};
}

}  // namespace

// Later members hold views of earlier ones, so a State never moves.
struct Tokenizer::State {
  Vocabulary vocabulary;
  TokenTable table;
  std::optional<SpecialTokens> specials;
  std::optional<ByteLevelBpe> bpe;  // one of these two
  std::optional<SentencePieces> pieces;
};

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::create(Vocabulary vocabulary) {
  if (vocabulary.kind == TokenizerKind::kNone) {
    return unsupported("create tokenizer: the model has none");
  }
  auto state = std::make_unique<State>();
  state->vocabulary = std::move(vocabulary);
  std::ranges::sort(state->vocabulary.end_of_generation);
  REDKNOT_TRY(state->table, TokenTable::create(state->vocabulary));
  state->specials.emplace(state->vocabulary, state->table);
  if (state->vocabulary.kind == TokenizerKind::kByteLevelBpe) {
    REDKNOT_TRY(state->bpe, ByteLevelBpe::create(state->vocabulary, state->table));
  } else {
    state->pieces.emplace(state->vocabulary, state->table);
  }
  return Tokenizer(std::move(state));
}

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > kTextLimitBytes) {
    return exhausted("encode text: ", text.size(), " bytes, more than the limit of ",
                     kTextLimitBytes);
  }
  const Vocabulary& vocabulary = state_->vocabulary;
  std::vector<TokenId> tokens;
  if (options.add_special && vocabulary.add_bos && vocabulary.bos)
    tokens.push_back(*vocabulary.bos);
  const std::vector<Fragment> fragments = state_->specials->partition(text, options.parse_special);
  REDKNOT_RETURN_IF_ERROR(
      state_->bpe
          ? encode_fragments(fragments, ByteLevelBpe::Session(*state_->bpe), tokens)
          : encode_fragments(fragments, SentencePieces::Session(*state_->pieces, text), tokens));
  if (options.add_special && vocabulary.add_eos && vocabulary.eos)
    tokens.push_back(*vocabulary.eos);
  return tokens;
}

Result<std::string> Tokenizer::decode(std::span<const TokenId> tokens, bool show_special) const {
  TokenBytes bytes(*this, {.show_special = show_special});
  std::string text;
  for (const TokenId token : tokens) {
    if (!contains(token)) {
      return invalid("decode tokens: ", static_cast<int>(token), " is not one of ", size());
    }
    text += bytes.next(token);
  }
  return text;
}

int Tokenizer::size() const { return state_->table.size(); }

bool Tokenizer::contains(TokenId token) const { return state_->table.contains(token); }

std::string_view Tokenizer::bytes_of(TokenId token) const {
  REDKNOT_CHECK(contains(token));
  return state_->table.bytes(token);
}

bool Tokenizer::is_special(TokenId token) const {
  REDKNOT_CHECK(contains(token));
  const TokenKind kind = state_->table.kind(token);
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown;
}

bool Tokenizer::is_end_of_generation(TokenId token) const {
  const std::vector<TokenId>& ends = state_->vocabulary.end_of_generation;
  return std::ranges::binary_search(ends, token);
}

const Vocabulary& Tokenizer::vocabulary() const { return state_->vocabulary; }

}  // namespace redknot::text
