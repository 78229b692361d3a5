// SPDX-License-Identifier: Apache-2.0
#include "server/segment_texts.h"

#include <gtest/gtest.h>

namespace redknot::server {
namespace {

TEST(SegmentTexts, BelongToOneTenant) {
  SegmentTexts texts(100);
  ASSERT_TRUE(texts.put("a", "seg_1", {.text = "hello", .tokens = 2}).ok());
  ASSERT_TRUE(texts.find("a", "seg_1"));
  EXPECT_EQ(texts.find("a", "seg_1")->text, "hello");
  EXPECT_FALSE(texts.find("b", "seg_1"));
  EXPECT_EQ(texts.erase("b", "seg_1"), 0);
  EXPECT_EQ(texts.erase("a", "seg_1"), 1);
  EXPECT_FALSE(texts.find("a", "seg_1"));
}

TEST(SegmentTexts, AreBoundedInBytes) {
  SegmentTexts texts(10);
  ASSERT_TRUE(texts.put("a", "1", {.text = "12345678"}).ok());
  const Status full = texts.put("a", "2", {.text = "123"});
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code(), ErrorCode::kResourceExhausted);
  // In the place of the old text there is room.
  EXPECT_TRUE(texts.put("a", "1", {.text = "1234567890"}).ok());
  // Nobody else's fill it.
  EXPECT_TRUE(texts.put("b", "1", {.text = "1234567890"}).ok());
  EXPECT_FALSE(texts.put("b", "2", {.text = "1"}).ok());
  EXPECT_EQ(texts.erase("b", "1"), 1);
  EXPECT_EQ(texts.erase("a", ""), 1);
  EXPECT_TRUE(texts.put("b", "2", {.text = "123"}).ok());
  ASSERT_EQ(texts.all("b").size(), 1U);
  EXPECT_EQ(texts.all("b").begin()->first, "2");
  EXPECT_TRUE(texts.all("c").empty());
}

}  // namespace
}  // namespace redknot::server
