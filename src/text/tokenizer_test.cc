// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/small_vocabularies.h"

namespace redknot::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

constexpr EncodeOptions kPlain = {.add_special = false, .parse_special = false};
constexpr EncodeOptions kParse = {.add_special = false, .parse_special = true};

Tokenizer create(Vocabulary vocabulary) {
  auto tokenizer = Tokenizer::create(std::move(vocabulary));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  return std::move(tokenizer).value();
}

std::vector<TokenId> encoded(const Tokenizer& tokenizer, std::string_view text,
                             EncodeOptions options) {
  auto tokens = tokenizer.encode(text, options);
  EXPECT_TRUE(tokens.ok()) << tokens.error().message();
  return tokens.ok() ? *tokens : std::vector<TokenId>();
}

// The stored texts of the tokens, which are easier to read than ids.
Strings pieces(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options) {
  Strings out;
  for (const TokenId token : encoded(tokenizer, text, options)) {
    out.push_back(tokenizer.vocabulary().tokens[static_cast<std::size_t>(token)].text);
  }
  return out;
}

TEST(ByteLevelBpe, MergesInsideWords) {
  const Tokenizer tokenizer = create(small_byte_level_vocabulary());
  EXPECT_EQ(pieces(tokenizer, "hello helloa", kPlain), (Strings{"hello", "\u0120hello", "a"}));
  EXPECT_EQ(pieces(tokenizer, "aaaaa", kPlain), (Strings{"aaaa", "a"}));
  EXPECT_TRUE(encoded(tokenizer, "", kPlain).empty());
}

TEST(ByteLevelBpe, GivesBackAnyBytes) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const char* pre : {"gpt-2", "llama-bpe", "qwen2", "tekken", "falcon", "deepseek-llm"}) {
    const Tokenizer tokenizer = create(small_byte_level_vocabulary(pre));
    for (int round = 0; round < 100; ++round) {
      std::string text(random() % 100, '\0');
      for (char& byte : text) byte = static_cast<char>(random());
      const auto decoded = tokenizer.decode(encoded(tokenizer, text, kPlain), false);
      ASSERT_TRUE(decoded.ok());
      EXPECT_EQ(*decoded, text);
    }
  }
}

TEST(ByteLevelBpe, TakesAWordThatIsATokenWholeIfTheVocabularySaysSo) {
  Vocabulary vocabulary = small_byte_level_vocabulary("llama-bpe");
  add_token(vocabulary, "\u0120world", TokenKind::kNormal);
  EXPECT_EQ(pieces(create(vocabulary), "a world", kPlain).size(), 7u);
  vocabulary.ignore_merges = true;
  EXPECT_EQ(pieces(create(vocabulary), "a world", kPlain), (Strings{"a", "\u0120world"}));
}

TEST(ByteLevelBpe, UsesTheVocabularysOwnExpressionsFirst) {
  Vocabulary vocabulary = small_byte_level_vocabulary("nonesuch");
  vocabulary.split_expressions = {"a"};
  EXPECT_EQ(pieces(create(vocabulary), "aaaa", kPlain), (Strings{"a", "a", "a", "a"}));
}

TEST(ByteLevelBpe, LeavesOutAByteWithoutAToken) {
  Vocabulary vocabulary = small_byte_level_vocabulary();
  vocabulary.tokens['b'].text = "something else";
  EXPECT_EQ(pieces(create(vocabulary), "abc", kPlain), (Strings{"a", "c"}));
}

TEST(ByteLevelBpe, IsQuickOnAMegabyteOfOneLetter) {
  const Tokenizer tokenizer = create(small_byte_level_vocabulary());
  EXPECT_EQ(encoded(tokenizer, std::string(1 << 20, 'a'), kPlain).size(), 1u << 18);
}

class SentencePieceKinds : public testing::TestWithParam<TokenizerKind> {};

TEST_P(SentencePieceKinds, PutASpaceBeforeTheText) {
  const Tokenizer tokenizer = create(small_piece_vocabulary(GetParam()));
  EXPECT_EQ(pieces(tokenizer, "hello", {}), (Strings{"<s>", "\u2581hello"}));
  EXPECT_EQ(pieces(tokenizer, "hello  hello", kPlain),
            (Strings{"\u2581hello", "\u2581", "\u2581hello"}));
  EXPECT_TRUE(encoded(tokenizer, "", kPlain).empty());
}

TEST_P(SentencePieceKinds, FallBackToBytes) {
  const Tokenizer tokenizer = create(small_piece_vocabulary(GetParam()));
  EXPECT_EQ(pieces(tokenizer, "\u4e09\n", kPlain),
            (Strings{"\u2581", "<0xE4>", "<0xB8>", "<0x89>", "<0x0A>"}));
  EXPECT_EQ(pieces(tokenizer, "\u4e00\u4e8c", kPlain), (Strings{"\u2581", "\u4e00\u4e8c"}));
}

TEST_P(SentencePieceKinds, GiveBackAnyBytes) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Tokenizer tokenizer = create(small_piece_vocabulary(GetParam()));
  for (int round = 0; round < 200; ++round) {
    std::string text(random() % 60, '\0');
    for (char& byte : text)
      byte = random() % 3 == 0 ? static_cast<char>(random()) : "helo a"[random() % 6];
    const auto decoded = tokenizer.decode(encoded(tokenizer, text, {}), false);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, text);
  }
}

TEST_P(SentencePieceKinds, MergeAcrossSpacesWherePiecesDo) {
  Vocabulary vocabulary = small_piece_vocabulary(GetParam());
  vocabulary.merges.emplace(vocabulary.merges.begin(), "o", "\u2581");
  add_token(vocabulary, "o\u2581", TokenKind::kNormal, 1.0f);
  EXPECT_EQ(pieces(create(vocabulary), "hello a", kPlain),
            (Strings{"\u2581", "hell", "o\u2581", "a"}));
}

TEST_P(SentencePieceKinds, GiveOneUnknownTokenForARunWithoutBytes) {
  Vocabulary vocabulary = small_piece_vocabulary(GetParam());
  vocabulary.tokens[3 + 0xe4].kind = TokenKind::kControl;
  EXPECT_EQ(pieces(create(vocabulary), "\u4e09\u4e09a", kPlain), (Strings{"\u2581", "<unk>", "a"}));
  vocabulary.unknown.reset();
  const auto refused = create(vocabulary).encode("\u4e09", kPlain);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
}

TEST_P(SentencePieceKinds, PutASpaceAfterSpecialTokensButNotWhereMetaspaceWouldNot) {
  Vocabulary vocabulary = small_piece_vocabulary(GetParam());
  const auto with_options = [&](bool unless_space, bool at_start_only) {
    vocabulary.prefix_unless_space = unless_space;
    vocabulary.prefix_at_start_only = at_start_only;
    const Tokenizer tokenizer = create(vocabulary);
    return pieces(tokenizer, " hello</s>hello", kParse);
  };
  EXPECT_EQ(with_options(false, false), (Strings{"\u2581", "\u2581hello", "</s>", "\u2581hello"}));
  EXPECT_EQ(with_options(true, false), (Strings{"\u2581hello", "</s>", "\u2581hello"}));
  EXPECT_EQ(with_options(true, true), (Strings{"\u2581hello", "</s>", "hello"}));
}

INSTANTIATE_TEST_SUITE_P(All, SentencePieceKinds,
                         testing::Values(TokenizerKind::kSentencePiece,
                                         TokenizerKind::kRankedPieces));

TEST(SentencePieces, TolerateScoresThatAreNoNumbers) {
  Vocabulary vocabulary = small_piece_vocabulary(TokenizerKind::kSentencePiece);
  for (VocabularyToken& token : vocabulary.tokens) {
    token.score = std::numeric_limits<float>::quiet_NaN();
  }
  EXPECT_TRUE(create(vocabulary).encode("hello aa", kPlain).ok());
}

TEST(SpecialTokens, AreParsedOnlyIfAskedForUnlessUserDefined) {
  const Tokenizer tokenizer = create(small_byte_level_vocabulary());
  EXPECT_EQ(pieces(tokenizer, "a<tool>", kPlain), (Strings{"a", "<tool>"}));
  EXPECT_EQ(pieces(tokenizer, "<|end|>", kPlain).size(), 7u);
  EXPECT_EQ(pieces(tokenizer, "a<|end|>a", kParse), (Strings{"a", "<|end|>", "a"}));
}

TEST(SpecialTokens, ThatEndGenerationCountAsControl) {
  Vocabulary vocabulary = small_byte_level_vocabulary();
  const TokenId stop = add_token(vocabulary, "<stop>", TokenKind::kUserDefined);
  vocabulary.end_of_generation = {stop, *vocabulary.eos};
  const Tokenizer tokenizer = create(vocabulary);
  EXPECT_EQ(pieces(tokenizer, "<stop>", kPlain).size(), 6u);
  EXPECT_THAT(encoded(tokenizer, "<stop>", kParse), ElementsAre(stop));
  EXPECT_TRUE(tokenizer.is_special(stop));
  EXPECT_TRUE(tokenizer.is_end_of_generation(stop));
  EXPECT_TRUE(tokenizer.is_end_of_generation(*vocabulary.eos));
  EXPECT_FALSE(tokenizer.is_end_of_generation(*vocabulary.bos));
}

TEST(SpecialTokens, LongestWins) {
  Vocabulary vocabulary = small_byte_level_vocabulary();
  for (const char* text : {"<t", "<t>", "<t><t>", "<tx>"}) {
    add_token(vocabulary, text, TokenKind::kUserDefined);
  }
  EXPECT_EQ(pieces(create(vocabulary), "<t><t><t><ty<", kPlain),
            (Strings{"<t><t>", "<t>", "<t", "y", "<"}));
}

TEST(SpecialTokens, SwallowTheSpaceBesideThem) {
  Vocabulary vocabulary = small_byte_level_vocabulary();
  add_token(vocabulary, "<l>", TokenKind::kUserDefined);
  vocabulary.tokens.back().strip_left = true;
  add_token(vocabulary, "<r>", TokenKind::kUserDefined);
  vocabulary.tokens.back().strip_right = true;
  const Tokenizer tokenizer = create(vocabulary);
  EXPECT_EQ(pieces(tokenizer, "a \n<l> b", kPlain), (Strings{"a", "<l>", "\u0120", "b"}));
  EXPECT_EQ(pieces(tokenizer, "a <r> \t<r> b", kPlain),
            (Strings{"a", "\u0120", "<r>", "<r>", "b"}));
  EXPECT_EQ(pieces(tokenizer, " <l>", kPlain), (Strings{"<l>"}));
}

TEST(Tokenizer, AddsBosAndEosWhereTheVocabularyAsksForThem) {
  Vocabulary vocabulary = small_byte_level_vocabulary();
  EXPECT_EQ(pieces(create(vocabulary), "a", {}), (Strings{"a"}));
  vocabulary.add_bos = true;
  vocabulary.add_eos = true;
  EXPECT_EQ(pieces(create(vocabulary), "a", {}), (Strings{"<|start|>", "a", "<|end|>"}));
  EXPECT_EQ(pieces(create(vocabulary), "", {}), (Strings{"<|start|>", "<|end|>"}));
}

TEST(Tokenizer, ChecksIdsWhenDecoding) {
  const Tokenizer tokenizer = create(small_byte_level_vocabulary());
  const std::vector<TokenId> beyond = {TokenId{tokenizer.size()}};
  const auto decoded = tokenizer.decode(beyond, false);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(tokenizer.contains(TokenId{-1}));
  EXPECT_FALSE(tokenizer.contains(beyond[0]));
  EXPECT_TRUE(tokenizer.contains(TokenId{0}));
}

TEST(Tokenizer, RefusesAVocabularyWithIdsOutOfRange) {
  Vocabulary vocabulary = small_byte_level_vocabulary();
  vocabulary.eos = TokenId{static_cast<int>(vocabulary.tokens.size())};
  const auto tokenizer = Tokenizer::create(vocabulary);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(tokenizer.error().message(), HasSubstr("end-of-sequence"));
}

TEST(Tokenizer, RefusesAVocabularyOfNoKind) {
  const auto tokenizer = Tokenizer::create(Vocabulary());
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.error().code(), ErrorCode::kUnsupported);
}

TEST(Tokenizer, KnowsTheBytesOfItsTokens) {
  Vocabulary vocabulary = small_byte_level_vocabulary();
  const TokenId outside = add_token(vocabulary, "\u4e00 x", TokenKind::kNormal);
  const TokenId unused = add_token(vocabulary, "unused", TokenKind::kUnused);
  const Tokenizer tokenizer = create(vocabulary);
  EXPECT_EQ(tokenizer.bytes_of(TokenId{' '}), " ");
  EXPECT_EQ(tokenizer.bytes_of(*vocabulary.eos), "<|end|>");
  EXPECT_EQ(tokenizer.bytes_of(outside), "\u4e00 x");
  EXPECT_EQ(tokenizer.bytes_of(unused), "");
}

}  // namespace
}  // namespace redknot::text
