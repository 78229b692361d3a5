// SPDX-License-Identifier: Apache-2.0
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/small_vocabularies.h"
#include "text/utf8.h"

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

TEST(Utf8, RefusesOverlongFormsSurrogatesAndTooLargeNumbers) {
  for (const std::string_view text :
       {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xc3("}) {
    EXPECT_EQ(first_character(text).state, Utf8State::kInvalid);
    EXPECT_EQ(first_character(text).length, 1);
  }
  EXPECT_EQ(first_character("\xf0\x9f\x9a").state, Utf8State::kIncomplete);
}

TEST(Utf8, ReadsEveryCharacterThatItWrites) {
  for (char32_t code_point = 0; code_point < 0x110000; ++code_point) {
    if (code_point == 0xd800) code_point = 0xe000;
    std::string text;
    append_utf8(text, code_point);
    const Utf8Character character = first_character(text);
    ASSERT_EQ(character.state, Utf8State::kValid);
    ASSERT_EQ(character.code_point, code_point);
    ASSERT_EQ(static_cast<std::size_t>(character.length), text.size());
  }
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
