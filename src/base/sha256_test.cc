// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <utility>

namespace redknot {
namespace {

std::string digest_of(std::string_view text) {
  Sha256 hash;
  hash.add(text);
  return hex(std::move(hash).finish());
}

TEST(Sha256, GivesTheDigestsOfTheStandard) {
  EXPECT_EQ(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, PiecesAddUp) {
  Sha256 hash;
  hash.add("a");
  hash.add("");
  hash.add("bc");
  EXPECT_EQ(hex(std::move(hash).finish()), digest_of("abc"));
}

TEST(Sha256, FieldsCutElsewhereDiffer) {
  Sha256 first, second;
  first.add_field("ab");
  first.add_field("c");
  second.add_field("a");
  second.add_field("bc");
  EXPECT_NE(std::move(first).finish(), std::move(second).finish());
}

}  // namespace
}  // namespace redknot
