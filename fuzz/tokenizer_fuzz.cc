// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to tokenizers of every kind, and makes tokenizers of any vocabularies.
//
// The first byte of the input chooses: below 128 the rest is text for one of the small
// vocabularies; otherwise it describes a vocabulary, and what remains after it is text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "tests/small_vocabularies.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace redknot::text {
namespace {

constexpr std::size_t kTextLimitBytes = 4096;
// Arbitrary expressions may backtrack up to their limit at every match.
constexpr std::size_t kTextLimitOfArbitraryVocabulary = 64;

// Takes values off the front of the input; zeros once it is used up.
class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  unsigned byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<unsigned char>(bytes_[0]);
    bytes_.remove_prefix(1);
    return value;
  }
  std::string text(std::size_t limit_bytes) {
    const std::size_t size = std::min({std::size_t{byte()}, limit_bytes, bytes_.size()});
    std::string out(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return out;
  }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

bool is_utf8(std::string_view text) { return decode_utf8(text).has_value(); }

// Whatever the vocabulary, the tokens are its own, and what is streamed is UTF-8 and agrees with
// what is decoded at once where that is UTF-8.
std::vector<TokenId> encode_and_check(const Tokenizer& tokenizer, std::string_view text,
                                      EncodeOptions options) {
  const auto tokens = tokenizer.encode(text, options);
  if (!tokens.ok()) return {};
  for (const bool show_special : {false, true}) {
    Detokenizer detokenizer(tokenizer, {.show_special = show_special});
    std::string streamed;
    for (const TokenId token : *tokens) {
      REDKNOT_CHECK(tokenizer.contains(token));
      const std::string piece = detokenizer.push(token);
      REDKNOT_CHECK(is_utf8(piece));
      streamed += piece;
    }
    streamed += detokenizer.flush();
    const auto decoded = tokenizer.decode(*tokens, show_special);
    REDKNOT_CHECK(decoded.ok());
    REDKNOT_CHECK(!is_utf8(*decoded) || *decoded == streamed);
  }
  return *tokens;
}

std::vector<Tokenizer> small_tokenizers() {
  std::vector<Tokenizer> tokenizers;
  const auto add = [&](Vocabulary vocabulary) {
    tokenizers.push_back(std::move(Tokenizer::create(std::move(vocabulary))).value());
  };
  for (const char* pre_tokenizer :
       {"default", "gpt-2", "llama-bpe", "qwen2", "starcoder", "falcon", "tekken", "gpt-4o",
        "deepseek-coder", "deepseek-llm", "deepseek-v3"}) {
    add(small_byte_level_vocabulary(pre_tokenizer));
  }
  add(small_piece_vocabulary(TokenizerKind::kSentencePiece));
  add(small_piece_vocabulary(TokenizerKind::kRankedPieces));
  return tokenizers;
}

void try_text(unsigned choice, std::string_view text) {
  static const std::vector<Tokenizer> tokenizers = small_tokenizers();
  const Tokenizer& tokenizer = tokenizers[choice % tokenizers.size()];
  text = text.substr(0, kTextLimitBytes);
  for (const bool parse_special : {false, true}) {
    const std::vector<TokenId> tokens =
        encode_and_check(tokenizer, text, {.add_special = false, .parse_special = parse_special});
    if (tokenizer.vocabulary().kind != TokenizerKind::kByteLevelBpe) continue;
    const auto decoded = tokenizer.decode(tokens, /*show_special=*/true);
    REDKNOT_CHECK(decoded.ok() && *decoded == text);
  }
}

Vocabulary arbitrary_vocabulary(Input& input) {
  Vocabulary vocabulary;
  const unsigned kind = input.byte();
  vocabulary.kind = static_cast<TokenizerKind>(kind % 4);
  vocabulary.ignore_merges = (kind & 4) != 0;
  vocabulary.add_space_prefix = (kind & 8) != 0;
  vocabulary.add_bos = (kind & 16) != 0;
  vocabulary.add_eos = (kind & 32) != 0;
  vocabulary.pre_tokenizer = (kind & 64) != 0 ? "gpt-2" : input.text(12);
  for (unsigned expressions = input.byte() % 4; expressions > 0; --expressions) {
    vocabulary.split_expressions.push_back(input.text(32));
  }
  for (unsigned tokens = input.byte(); tokens > 0 && !input.empty(); --tokens) {
    const unsigned flags = input.byte();
    VocabularyToken token;
    token.kind = static_cast<TokenKind>(flags % 6);
    token.strip_left = (flags & 64) != 0;
    token.strip_right = (flags & 128) != 0;
    token.score = static_cast<float>(input.byte()) - 128.0f;
    token.text = input.text(16);
    vocabulary.tokens.push_back(std::move(token));
  }
  for (unsigned merges = input.byte(); merges > 0 && !input.empty(); --merges) {
    std::string left = input.text(8);
    vocabulary.merges.emplace_back(std::move(left), input.text(8));
  }
  const auto id = [&input] { return TokenId{static_cast<int>(input.byte()) - 1}; };
  if (input.byte() % 2 != 0) vocabulary.bos = id();
  if (input.byte() % 2 != 0) vocabulary.eos = id();
  if (input.byte() % 2 != 0) vocabulary.unknown = id();
  for (unsigned ends = input.byte() % 4; ends > 0; --ends) {
    vocabulary.end_of_generation.push_back(id());
  }
  return vocabulary;
}

void try_vocabulary(Input input) {
  const auto tokenizer = Tokenizer::create(arbitrary_vocabulary(input));
  if (!tokenizer.ok()) return;
  const std::string_view text = input.rest().substr(0, kTextLimitOfArbitraryVocabulary);
  encode_and_check(*tokenizer, text, {.add_special = true, .parse_special = false});
  encode_and_check(*tokenizer, text, {.add_special = false, .parse_special = true});
}

}  // namespace
}  // namespace redknot::text

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  redknot::text::Input input({reinterpret_cast<const char*>(data), size});
  const unsigned choice = input.byte();
  if (choice < 128) {
    redknot::text::try_text(choice, input.rest());
  } else {
    redknot::text::try_vocabulary(input);
  }
  return 0;
}
