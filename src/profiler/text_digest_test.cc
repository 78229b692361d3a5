// SPDX-License-Identifier: Apache-2.0
#include "profiler/text_digest.h"

#include <gtest/gtest.h>

#include <utility>

namespace redknot {
namespace {

MeasuredText digest(const std::vector<ComparedText>& texts) {
  TextDigest digest;
  for (const ComparedText& text : texts) digest.add(text);
  return std::move(digest).describe("a text");
}

std::vector<TokenId> tokens(std::initializer_list<int> ids) {
  std::vector<TokenId> out;
  for (const int id : ids) out.push_back(TokenId{id});
  return out;
}

TEST(TextDigest, SaysHowMuchThereWas) {
  const MeasuredText found = digest({{tokens({1, 2, 3}), 1}, {tokens({4, 5}), 0}});
  EXPECT_EQ(found.description, "a text");
  EXPECT_EQ(found.tokens, 5);
  EXPECT_EQ(found.context_tokens, 3);
  EXPECT_EQ(found.sha256.size(), 64u);
}

TEST(TextDigest, DiffersWithTokensTheirCutsAndWhatIsMeasured) {
  const std::string whole = digest({{tokens({1, 2, 3}), 1}}).sha256;
  EXPECT_EQ(digest({{tokens({1, 2, 3}), 1}}).sha256, whole);
  EXPECT_NE(digest({{tokens({1, 2, 4}), 1}}).sha256, whole);
  EXPECT_NE(digest({{tokens({1, 2, 3}), 2}}).sha256, whole);
  EXPECT_NE(digest({{tokens({1, 2}), 1}, {tokens({3}), 0}}).sha256, whole);
}

}  // namespace
}  // namespace redknot
