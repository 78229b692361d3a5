// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace redknot {
namespace {

TEST(Utf8, RefusesOverlongFormsSurrogatesAndTooLargeNumbers) {
  for (const std::string_view text :
       {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xc3("}) {
    EXPECT_EQ(first_character(text).state, Utf8State::kInvalid);
    EXPECT_EQ(first_character(text).length, 1);
  }
  EXPECT_EQ(first_character("\xf0\x9f\x9a").state, Utf8State::kIncomplete);
}

TEST(Utf8, TellsHowManyBytesCanNeverBePartOfACharacter) {
  EXPECT_EQ(first_character("\xf0\x9f\x9ax").length, 3);
  EXPECT_EQ(first_character("\xf0\x9fx").length, 2);
  EXPECT_EQ(first_character("\xf0\x9f").length, 2);
  EXPECT_EQ(first_character("\xf0\x9f").state, Utf8State::kIncomplete);
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

TEST(Utf8, DecodesWholeTextsOrNothing) {
  EXPECT_EQ(decode_utf8(""), U"");
  EXPECT_EQ(decode_utf8("a\u00e9\u4e00\U0001f680"), U"a\u00e9\u4e00\U0001f680");
  EXPECT_EQ(decode_utf8(std::string_view("\0x", 2)), std::u32string(U"\0x", 2));
  EXPECT_EQ(decode_utf8("a\xff"), std::nullopt);
  EXPECT_EQ(decode_utf8("a\xe4\xb8"), std::nullopt);
}

TEST(Utf8, ReplacesEachMaximalPartThatIsNoCharacter) {
  EXPECT_EQ(valid_utf8("a\u00e9\U0001f680"), "a\u00e9\U0001f680");
  EXPECT_EQ(valid_utf8("\xffx"), "\ufffdx");
  EXPECT_EQ(valid_utf8("\xe4\xb8x"), "\ufffdx");
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(valid_utf8("x\xf0\x9f"), "x\ufffd");
}

TEST(Utf8, KnowsTheBytesBehindTheFirst) {
  EXPECT_TRUE(is_continuation('\x80'));
  EXPECT_TRUE(is_continuation('\xbf'));
  for (const char byte : {'\0', 'a', '\x7f', '\xc0', '\xc3', '\xff'})
    EXPECT_FALSE(is_continuation(byte));
}

TEST(Utf8, TakesTheFirstByteAtItsWord) {
  EXPECT_EQ(promised_bytes('a'), 1);
  EXPECT_EQ(promised_bytes('\xbf'), 1);
  EXPECT_EQ(promised_bytes('\xc0'), 2);
  EXPECT_EQ(promised_bytes('\xe4'), 3);
  EXPECT_EQ(promised_bytes('\xff'), 4);
}

}  // namespace
}  // namespace redknot
