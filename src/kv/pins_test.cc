// SPDX-License-Identifier: Apache-2.0
#include "kv/pins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

namespace redknot {
namespace {

SegmentKey key_of(int number) {
  SegmentKey key{};
  key[0] = std::byte(number & 0xff);
  return key;
}

Pins::Time at(int seconds) { return Pins::Time(std::chrono::seconds(seconds)); }

bool always() { return true; }

class PinsTest : public testing::Test {
 protected:
  // Segments of so many pages.
  void add(int number, const SegmentName& name, int pages = 1) {
    SequenceKv kv(*pool_, profile_);
    ASSERT_TRUE(kv.extend(16 * pages).ok());
    segments_.insert(key_of(number), Segment(*pool_, kv, {0, 16 * pages}), name);
    pins_.add_copy(key_of(number), always);
  }
  bool is_held(int number) const {
    EXPECT_TRUE(pins_.check() && segments_.check());
    return pins_.held().contains(key_of(number));
  }
  std::size_t bytes(int pages) const {
    return static_cast<std::size_t>(pages) * pool_->shape().bytes(KvFormat::kF16);
  }

  HeadProfile profile_ = uniform_profile(1, 1, {});
  std::unique_ptr<PageAllocator> pool_ =
      PageAllocator::create({.shape = {.page_tokens = 16, .head_dim = 4}, .page_count = {12, 0, 0}})
          .value();
  EvictionOrder order_;
  UseMemory memory_;
  SegmentTable segments_{pool_->shape(), order_, memory_};
  Pins pins_{*pool_, segments_};
};

TEST_F(PinsTest, HoldAllCopiesOfAName) {
  add(1, {"mine", "a"});
  add(2, {"mine", "a"});
  add(3, {"mine", "b"});
  EXPECT_FALSE(pins_.pin({"yours", "a"}, {at(9)}, always));
  EXPECT_TRUE(pins_.pin({"mine", "a"}, {at(9)}, always));
  EXPECT_TRUE(is_held(1) && is_held(2));
  EXPECT_FALSE(is_held(3));
  EXPECT_EQ(pins_.bytes("mine"), bytes(2));
  EXPECT_EQ(pins_.until({"mine", "a"}), std::optional(at(9)));
  pins_.unpin({"mine", "a"});
  EXPECT_FALSE(is_held(1) || is_held(2));
  EXPECT_EQ(pins_.bytes("mine"), 0u);
}

TEST_F(PinsTest, EndWhenTheirTimeHasCome) {
  add(1, {"", "a"});
  add(2, {"", "b"});
  EXPECT_FALSE(pins_.next_end());
  ASSERT_TRUE(pins_.pin({"", "a"}, {at(5)}, always));
  ASSERT_TRUE(pins_.pin({"", "b"}, {at(9)}, always));
  EXPECT_EQ(pins_.next_end(), std::optional(at(5)));
  pins_.end(at(5));
  EXPECT_FALSE(is_held(1));
  EXPECT_TRUE(is_held(2));
  EXPECT_TRUE(pins_.unpin_one());
  EXPECT_FALSE(is_held(2));
  EXPECT_FALSE(pins_.unpin_one());
}

TEST_F(PinsTest, NoMoreThanHalfOfThePoolIsHeld) {
  add(1, {"", "a"}, 4);
  add(2, {"", "b"}, 3);
  ASSERT_TRUE(pins_.pin({"", "a"}, {at(5)}, always));
  EXPECT_FALSE(pins_.pin({"", "b"}, {at(5)}, always));
  EXPECT_FALSE(is_held(2));
  EXPECT_FALSE(pins_.until({"", "b"}));
}

TEST_F(PinsTest, WhatRunsKeepsItsRoom) {
  add(1, {"", "a"});
  const auto never = [&] {
    EXPECT_EQ(pins_.held().size(), 1u);
    return false;
  };
  EXPECT_FALSE(pins_.pin({"", "a"}, {at(5)}, never));
  EXPECT_FALSE(is_held(1));
}

TEST_F(PinsTest, ACopyThatExceedsTheQuotaIsNotHeld) {
  add(1, {"mine", "a"});
  ASSERT_TRUE(pins_.pin({"mine", "a"}, {at(5), bytes(2)}, always));
  add(2, {"mine", "a"});
  EXPECT_TRUE(is_held(2));
  add(3, {"mine", "a"});
  EXPECT_FALSE(is_held(3));
  EXPECT_EQ(pins_.bytes("mine"), bytes(2));
  // Another tenant has a quota of its own.
  add(4, {"yours", "a"});
  EXPECT_TRUE(pins_.pin({"yours", "a"}, {at(5), bytes(1)}, always));
  // To renew a pin asks for all copies; if they do not fit it stays as it was.
  EXPECT_FALSE(pins_.pin({"mine", "a"}, {at(9), bytes(2)}, always));
  EXPECT_TRUE(is_held(1) && is_held(2));
  EXPECT_EQ(pins_.until({"mine", "a"}), std::optional(at(5)));
}

}  // namespace
}  // namespace redknot
