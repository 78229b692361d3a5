// SPDX-License-Identifier: Apache-2.0
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/small_vocabularies.h"

namespace redknot::text {
namespace {

Tokenizer create(Vocabulary vocabulary) {
  return std::move(Tokenizer::create(std::move(vocabulary))).value();
}

// Tokens of the small byte-level vocabulary: a byte's id is the byte.
std::vector<std::string> pushed(Detokenizer& detokenizer, std::string_view bytes) {
  std::vector<std::string> out;
  for (const char byte : bytes) {
    out.push_back(detokenizer.push(TokenId{static_cast<unsigned char>(byte)}));
  }
  out.push_back(detokenizer.flush());
  return out;
}

using Strings = std::vector<std::string>;

TEST(Detokenizer, NeverSplitsACharacter) {
  const Tokenizer tokenizer = create(small_byte_level_vocabulary());
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(pushed(detokenizer, "a\u00e9\U0001f680"),
            (Strings{"a", "", "\u00e9", "", "", "", "\U0001f680", ""}));
}

TEST(Detokenizer, ReplacesBytesOnceItIsCertainThatTheyAreNoCharacter) {
  const Tokenizer tokenizer = create(small_byte_level_vocabulary());
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(pushed(detokenizer, "\xffx"), (Strings{"\ufffd", "x", ""}));
  EXPECT_EQ(pushed(detokenizer, "\xe4\xb8x"), (Strings{"", "", "\ufffdx", ""}));
  EXPECT_EQ(pushed(detokenizer, "\xf0\x9f"), (Strings{"", "", "\ufffd"}));
  EXPECT_EQ(pushed(detokenizer, "\xed\xa0\x80"), (Strings{"", "\ufffd\ufffd", "\ufffd", ""}));
}

TEST(Detokenizer, DropsTheSpaceThatBeginsASentencePieceText) {
  const Tokenizer tokenizer = create(small_piece_vocabulary(TokenizerKind::kSentencePiece));
  const auto tokens = tokenizer.encode("hello hello", {});
  ASSERT_TRUE(tokens.ok());
  ASSERT_EQ(tokens->size(), 3u);  // BOS and twice "U+2581 hello"
  Detokenizer begins(tokenizer);
  EXPECT_EQ(begins.push((*tokens)[0]), "");
  EXPECT_EQ(begins.push((*tokens)[1]), "hello");
  EXPECT_EQ(begins.push((*tokens)[2]), " hello");
  Detokenizer continues(tokenizer, {.begins_text = false});
  EXPECT_EQ(continues.push((*tokens)[1]), " hello");
  Detokenizer shows(tokenizer, {.show_special = true});
  EXPECT_EQ(shows.push((*tokens)[0]), "<s>");
  EXPECT_EQ(shows.push((*tokens)[1]), " hello");
}

TEST(Detokenizer, HidesSpecialTokensUnlessAskedFor) {
  const Tokenizer tokenizer = create(small_byte_level_vocabulary());
  const TokenId end = *tokenizer.vocabulary().eos;
  EXPECT_EQ(Detokenizer(tokenizer).push(end), "");
  EXPECT_EQ(Detokenizer(tokenizer, {.show_special = true}).push(end), "<|end|>");
}

TEST(ByteAlphabet, SpellsEveryByteWithALetterOfItsOwn) {
  EXPECT_EQ(to_alphabet(" a\n"), "\u0120a\u010a");
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(bytes_from_alphabet(to_alphabet(bytes)), bytes);
  EXPECT_EQ(bytes_from_alphabet("a b"), std::nullopt);
  EXPECT_EQ(bytes_from_alphabet("\u4e00"), std::nullopt);
}

}  // namespace
}  // namespace redknot::text
