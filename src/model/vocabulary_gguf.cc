// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/vocabulary_files.h"

namespace redknot {
namespace {

// Pre-tokenizers whose models take a word that is itself a token whole, and begin with BOS.
constexpr std::array<std::string_view, 10> kWholeWordPreTokenizers = {
    "llama3",  "llama-v3", "llama-bpe", "falcon3",      "falcon-h1",
    "pixtral", "midm-2.0", "lfm2",      "jina-v5-nano", "tekken"};

Status read_kind(const Gguf& gguf, Vocabulary& vocabulary) {
  REDKNOT_TRY(const auto model, gguf.text("tokenizer.ggml.model"));
  if (!model || *model == "none" || *model == "no_vocab") return Done{};
  if (*model == "gpt2") {
    vocabulary.kind = TokenizerKind::kByteLevelBpe;
  } else if (*model == "llama") {
    vocabulary.kind = TokenizerKind::kSentencePiece;
  } else {
    return unsupported("tokenizer.ggml.model is \"", model->substr(0, 40),
                       "\"; gpt2 (byte-level BPE) and llama (SentencePiece) run");
  }
  REDKNOT_TRY(const auto pre, gguf.text("tokenizer.ggml.pre"));
  vocabulary.pre_tokenizer = pre.value_or("default");
  return Done{};
}

TokenKind kind_of(std::int64_t type) {
  switch (type) {
    case 2:
      return TokenKind::kUnknown;
    case 3:
      return TokenKind::kControl;
    case 4:
      return TokenKind::kUserDefined;
    case 5:
      return TokenKind::kUnused;
    case 6:
      return TokenKind::kByte;
    default:
      return TokenKind::kNormal;
  }
}

// Arrays that run beside tokenizer.ggml.tokens are as long as it.
Status check_length(std::string_view key, std::size_t length, std::size_t tokens) {
  if (length == tokens) return Done{};
  return corrupt(key, " has ", length, " elements, but tokenizer.ggml.tokens has ", tokens);
}

Status read_tokens(const Gguf& gguf, Vocabulary& vocabulary) {
  REDKNOT_TRY(const auto texts, gguf.texts("tokenizer.ggml.tokens"));
  if (!texts) return corrupt("tokenizer.ggml.tokens is missing");
  if (texts->empty() || texts->size() > std::numeric_limits<std::int32_t>::max()) {
    return corrupt("tokenizer.ggml.tokens has ", texts->size(), " elements");
  }
  vocabulary.tokens.resize(texts->size());
  for (std::size_t id = 0; id < texts->size(); ++id) vocabulary.tokens[id].text = (*texts)[id];

  REDKNOT_TRY(const auto scores, gguf.numbers("tokenizer.ggml.scores"));
  if (scores) {
    REDKNOT_RETURN_IF_ERROR(check_length("tokenizer.ggml.scores", scores->size(), texts->size()));
    for (std::size_t id = 0; id < scores->size(); ++id) {
      const float score = (*scores)[id];
      if (score != score) return corrupt("tokenizer.ggml.scores: element ", id, " is not a number");
      vocabulary.tokens[id].score = score;
    }
  }
  REDKNOT_TRY(const auto types, gguf.integers("tokenizer.ggml.token_type"));
  if (types) {
    REDKNOT_RETURN_IF_ERROR(
        check_length("tokenizer.ggml.token_type", types->size(), texts->size()));
    for (std::size_t id = 0; id < types->size(); ++id) {
      vocabulary.tokens[id].kind = kind_of((*types)[id]);
    }
  }
  return Done{};
}

Status read_merges(const Gguf& gguf, Vocabulary& vocabulary) {
  if (vocabulary.kind != TokenizerKind::kByteLevelBpe) return Done{};
  REDKNOT_TRY(const auto merges, gguf.texts("tokenizer.ggml.merges"));
  if (!merges) return corrupt("tokenizer.ggml.merges is missing");
  vocabulary.merges.reserve(merges->size());
  for (std::size_t i = 0; i < merges->size(); ++i) {
    const std::string_view merge = (*merges)[i];
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      return corrupt("tokenizer.ggml.merges: element ", i,
                     " is not two parts with a space between");
    }
    vocabulary.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return Done{};
}

// Absent keys take the default if there is such a token; -1 (also as unsigned) means none.
Status read_special(const Gguf& gguf, std::string_view key, std::int64_t token_count,
                    std::optional<TokenId> fallback, std::optional<TokenId>& out) {
  REDKNOT_TRY(const auto id, gguf.integer(key));
  if (!id) {
    if (fallback && static_cast<std::int64_t>(*fallback) < token_count) out = fallback;
    return Done{};
  }
  if (*id == -1 || *id == std::numeric_limits<std::uint32_t>::max()) return Done{};
  if (*id < 0 || *id >= token_count) {
    return corrupt(key, " is ", *id, ", but there are ", token_count, " tokens");
  }
  out = TokenId{static_cast<std::int32_t>(*id)};
  return Done{};
}

Status read_specials(const Gguf& gguf, Vocabulary& vocabulary) {
  const auto count = static_cast<std::int64_t>(vocabulary.tokens.size());
  const bool pieces = vocabulary.kind == TokenizerKind::kSentencePiece;
  const auto default_id = [pieces](int id) {
    return pieces ? std::optional(TokenId{id}) : std::nullopt;
  };
  REDKNOT_RETURN_IF_ERROR(
      read_special(gguf, "tokenizer.ggml.bos_token_id", count, default_id(1), vocabulary.bos));
  REDKNOT_RETURN_IF_ERROR(
      read_special(gguf, "tokenizer.ggml.eos_token_id", count, default_id(2), vocabulary.eos));
  REDKNOT_RETURN_IF_ERROR(read_special(gguf, "tokenizer.ggml.unknown_token_id", count,
                                       default_id(0), vocabulary.unknown));
  REDKNOT_RETURN_IF_ERROR(read_special(gguf, "tokenizer.ggml.padding_token_id", count, std::nullopt,
                                       vocabulary.padding));
  for (const std::string_view key :
       {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id",
        "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id",
        "tokenizer.ggml.fim_sep_token_id"}) {
    std::optional<TokenId> end;
    REDKNOT_RETURN_IF_ERROR(read_special(gguf, key, count, std::nullopt, end));
    if (end) vocabulary.end_of_generation.push_back(*end);
  }
  return Done{};
}

Status read_switches(const Gguf& gguf, Vocabulary& vocabulary) {
  const bool pieces = vocabulary.kind == TokenizerKind::kSentencePiece;
  const bool whole_words =
      !pieces && std::ranges::find(kWholeWordPreTokenizers, vocabulary.pre_tokenizer) !=
                     kWholeWordPreTokenizers.end();
  const bool begins_with_bos = pieces || whole_words || vocabulary.pre_tokenizer == "chameleon";
  vocabulary.ignore_merges = whole_words;
  REDKNOT_TRY(const auto add_bos, gguf.boolean("tokenizer.ggml.add_bos_token"));
  vocabulary.add_bos = add_bos.value_or(begins_with_bos) && vocabulary.bos;
  REDKNOT_TRY(const auto add_eos, gguf.boolean("tokenizer.ggml.add_eos_token"));
  vocabulary.add_eos = add_eos.value_or(false) && vocabulary.eos;
  REDKNOT_TRY(const auto space_prefix, gguf.boolean("tokenizer.ggml.add_space_prefix"));
  vocabulary.add_space_prefix = space_prefix.value_or(pieces);
  REDKNOT_TRY(const auto chat_template, gguf.text("tokenizer.chat_template"));
  vocabulary.chat_template = chat_template.value_or("");
  return Done{};
}

// Phi-3's special tokens swallow the white space after them; GGUF has no place to say so, and
// llama.cpp goes by the model's name too.
Status read_phi3_stripping(const Gguf& gguf, Vocabulary& vocabulary) {
  REDKNOT_TRY(const auto name, gguf.text("general.name"));
  std::string lower(name.value_or("").substr(0, 256));
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower.find("phi-3") == std::string::npos && lower.find("phi3") == std::string::npos) {
    return Done{};
  }
  for (VocabularyToken& token : vocabulary.tokens) {
    const bool special = token.kind == TokenKind::kControl || token.kind == TokenKind::kUnknown ||
                         token.kind == TokenKind::kUserDefined;
    token.strip_right =
        special && token.text != "<unk>" && token.text != "<s>" && token.text != "<|endoftext|>";
  }
  return Done{};
}

}  // namespace

Result<Vocabulary> vocabulary_from_gguf(const Gguf& gguf) {
  Vocabulary vocabulary;
  REDKNOT_RETURN_IF_ERROR(read_kind(gguf, vocabulary));
  if (vocabulary.kind == TokenizerKind::kNone) return vocabulary;
  REDKNOT_RETURN_IF_ERROR(read_tokens(gguf, vocabulary));
  REDKNOT_RETURN_IF_ERROR(read_merges(gguf, vocabulary));
  REDKNOT_RETURN_IF_ERROR(read_specials(gguf, vocabulary));
  REDKNOT_RETURN_IF_ERROR(read_switches(gguf, vocabulary));
  complete_vocabulary(vocabulary);
  REDKNOT_RETURN_IF_ERROR(read_phi3_stripping(gguf, vocabulary));
  return vocabulary;
}

}  // namespace redknot
