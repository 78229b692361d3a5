// SPDX-License-Identifier: Apache-2.0
#include "eval/score.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "corpus/random.h"

namespace redknot::eval {
namespace {

TEST(Score, NormalisingKeepsTheWordsAlone) {
  EXPECT_EQ(normalised("  The  Velkar Fair.\n"), "velkar fair");
  EXPECT_EQ(normalised("an apple, a pear & the plum"), "apple pear plum");
  EXPECT_EQ(normalised("well-known"), "wellknown");  // as the evaluation script does
  EXPECT_EQ(normalised("Theatre Ana"), "theatre ana");
  EXPECT_EQ(normalised("A. \t THE!"), "");
  EXPECT_EQ(normalised(""), "");
  EXPECT_EQ(normalised("\xc3\x84pfel \xe6\x9d\xb1\xe4\xba\xac"),
            "\xc3\x84pfel \xe6\x9d\xb1\xe4\xba\xac");
}

TEST(Score, ExactMatchIsOfNormalisedAnswers) {
  EXPECT_TRUE(exact_match("marto velk", "Marto Velk"));
  EXPECT_TRUE(exact_match("The Velkar Fair.", "Velkar fair"));
  EXPECT_TRUE(exact_match(" the ", ""));
  EXPECT_FALSE(exact_match("Marto", "Marto Velk"));
  EXPECT_FALSE(exact_match("Marto Velk Marto Velk", "Marto Velk"));
  EXPECT_FALSE(exact_match("", "Marto"));
}

TEST(Score, F1CountsWordsOfBoth) {
  EXPECT_DOUBLE_EQ(token_f1("Marto Velk", "marto velk"), 1);
  EXPECT_DOUBLE_EQ(token_f1("Velk Marto", "Marto Velk"), 1);            // in any order
  EXPECT_DOUBLE_EQ(token_f1("Marto", "Marto Velk"), 2.0 / 3);           // P 1, R 1/2
  EXPECT_DOUBLE_EQ(token_f1("it is Marto", "Marto"), 0.5);              // P 1/3, R 1
  EXPECT_DOUBLE_EQ(token_f1("Marto Marto Marto", "Marto Marto"), 0.8);  // P 2/3, R 1
  EXPECT_DOUBLE_EQ(token_f1("Ana", "Marto"), 0);
}

TEST(Score, F1WithoutWordsIsOneOnlyIfNeitherHasAny) {
  EXPECT_DOUBLE_EQ(token_f1("", "the"), 1);
  EXPECT_DOUBLE_EQ(token_f1("", "Marto"), 0);
  EXPECT_DOUBLE_EQ(token_f1("Marto", ""), 0);
}

using corpus::Scoring;

// The whole table, the slow and obvious way.
std::size_t distance(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.size() + b.size();
  const std::size_t replaced = distance(a.substr(1), b.substr(1)) + (a[0] == b[0] ? 0 : 1);
  return std::min({replaced, distance(a.substr(1), b) + 1, distance(a, b.substr(1)) + 1});
}

TEST(Score, EditSimilarityIsThatOfTheDistance) {
  EXPECT_DOUBLE_EQ(edit_similarity("", ""), 1);
  EXPECT_DOUBLE_EQ(edit_similarity("", "ab"), 0);
  EXPECT_DOUBLE_EQ(edit_similarity("kitten", "sitting"), 1 - 3.0 / 7);
  corpus::Random random(5);
  const auto text = [&] {
    std::string out(random.below(7), ' ');
    for (char& c : out) c = static_cast<char>('a' + random.below(3));
    return out;
  };
  for (int i = 0; i < 200; ++i) {
    const std::string a = text(), b = text();
    const std::size_t longer = std::max(a.size(), b.size());
    if (longer == 0) continue;
    EXPECT_DOUBLE_EQ(edit_similarity(a, b),
                     1 - static_cast<double>(distance(a, b)) / static_cast<double>(longer))
        << a << " " << b;
  }
  const std::string huge(100'000, 'x');
  EXPECT_DOUBLE_EQ(edit_similarity(huge, huge + "y"), 1);
}

TEST(Score, OfTextIsTheBestOfTheRightAnswers) {
  const Score alias = score(Scoring::kText, {"G. Stanley Hall", "Stanley Hall"}, "stanley hall.");
  EXPECT_EQ(alias.exact_match, 1);
  EXPECT_EQ(alias.partial, 1);
  const Score said = score(Scoring::kText, {"Tulsa"}, "It was in Tulsa, Oklahoma.");
  EXPECT_EQ(said.exact_match, 0);
  EXPECT_EQ(said.contains, 1);
  EXPECT_DOUBLE_EQ(said.partial, 2.0 / 6);
  EXPECT_EQ(score(Scoring::kText, {"the"}, "anything").contains, 0);  // nothing is left of it
  EXPECT_EQ(score(Scoring::kText, {}, "anything").partial, 0);
}

TEST(Score, OfALineIsThatOfTheFirstOneOfTheCode) {
  for (const char* given : {"  return x;\n}", "```cpp\n  return x;\n```", "\n\nreturn x;"}) {
    EXPECT_EQ(score(Scoring::kLine, {"return x;"}, given).exact_match, 1) << given;
  }
  const Score near = score(Scoring::kLine, {"return x;"}, "return y;\nreturn x;");
  EXPECT_EQ(near.exact_match, 0);
  EXPECT_EQ(near.contains, 1);
  EXPECT_DOUBLE_EQ(near.partial, 1 - 1.0 / 9);
  EXPECT_EQ(score(Scoring::kLine, {"return x;"}, "```").partial, 0);
  EXPECT_EQ(score(Scoring::kLine, {"a.B"}, "ab").exact_match, 0);  // not as words are
}

TEST(Score, OfFieldsIsTheShareThatIsRight) {
  const std::vector<std::string> wanted = {R"({"city": "Velk", "year": 1794})"};
  EXPECT_EQ(score(Scoring::kFields, wanted, R"({"year": 1794, "city": "velk"})").exact_match, 1);
  EXPECT_EQ(score(Scoring::kFields, wanted, R"({"year": "1794", "city": "Velk"})").partial, 1);
  const Score half = score(Scoring::kFields, wanted, R"({"city": "Velk", "year": 1795})");
  EXPECT_EQ(half.exact_match, 0);
  EXPECT_EQ(half.partial, 0.5);
  EXPECT_EQ(half.contains, 0);
  const Score prose = score(Scoring::kFields, wanted, "Velk, in 1794");
  EXPECT_EQ(prose.partial, 0);
  EXPECT_EQ(prose.contains, 1);
  const Score more = score(Scoring::kFields, wanted, R"({"year": 1794, "city": "Velk", "a": 1})");
  EXPECT_EQ(more.exact_match, 0);
  EXPECT_EQ(more.partial, 1);
  EXPECT_EQ(score(Scoring::kFields, wanted, std::string(1 << 16, '[')).partial, 0);
}

TEST(Score, OfItemsIsTheShareThatIsNamed) {
  const std::vector<std::string> wanted = {"VKA", "VKB", "VKC"};
  EXPECT_EQ(score(Scoring::kItems, wanted, "They are VKC, VKA and vkb.").exact_match, 1);
  const Score some = score(Scoring::kItems, wanted, "VKA VKBX");
  EXPECT_EQ(some.exact_match, 0);
  EXPECT_DOUBLE_EQ(some.partial, 1.0 / 3);
}

}  // namespace
}  // namespace redknot::eval
