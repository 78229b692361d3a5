// SPDX-License-Identifier: Apache-2.0
#include "text/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace redknot::text {
namespace {

constexpr int kLetters = 3;

// Joins the best pair of the whole word again and again: the definition.
std::vector<TokenId> merged_slowly(std::vector<TokenId> word, const MergeTable& table) {
  while (true) {
    std::optional<Merge> best;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < word.size(); ++i) {
      const std::optional<Merge> merge = table.find(word[i], word[i + 1]);
      if (merge && (!best || merge->priority < best->priority)) {
        best = merge;
        place = i;
      }
    }
    if (!best) return word;
    word[place] = best->token;
    word.erase(word.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

std::vector<TokenId> merged(const std::vector<TokenId>& word, const MergeTable& table) {
  SymbolList symbols;
  for (std::size_t i = 0; i < word.size(); ++i) symbols.add(static_cast<int>(i), 1, word[i]);
  symbols.merge(
      [&](const Symbol& left, const Symbol& right) { return table.find(left.token, right.token); });
  std::vector<TokenId> out;
  for (const Symbol& symbol : symbols.symbols()) {
    if (symbol.length > 0) out.push_back(symbol.token);
  }
  return out;
}

TEST(SymbolList, MergesAsTheBestPairOfTheWholeWordEachTime) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    MergeTable table(40);
    int tokens = kLetters;
    for (std::uint32_t rank = 0; rank < 40; ++rank) {
      const TokenId left{static_cast<int>(random() % static_cast<unsigned>(tokens))};
      const TokenId right{static_cast<int>(random() % static_cast<unsigned>(tokens))};
      table.add(left, right, {rank, TokenId{tokens++}});
    }
    std::vector<TokenId> word(random() % 60);
    for (TokenId& token : word) token = TokenId{static_cast<int>(random() % kLetters)};
    EXPECT_EQ(merged(word, table), merged_slowly(word, table));
  }
}

TEST(MergeTable, KeepsTheFirstOfEqualPairs) {
  MergeTable table(2);
  table.add(TokenId{1}, TokenId{2}, {0, TokenId{7}});
  table.add(TokenId{1}, TokenId{2}, {1, TokenId{8}});
  ASSERT_TRUE(table.find(TokenId{1}, TokenId{2}));
  EXPECT_EQ(table.find(TokenId{1}, TokenId{2})->token, TokenId{7});
  EXPECT_FALSE(table.find(TokenId{2}, TokenId{1}));
  EXPECT_FALSE(table.find(kNoToken, TokenId{1}));
}

TEST(MergeTable, OfNoMergesFindsNothing) {
  EXPECT_FALSE(MergeTable().find(TokenId{0}, TokenId{0}));
}

}  // namespace
}  // namespace redknot::text
