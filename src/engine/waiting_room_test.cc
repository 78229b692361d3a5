// SPDX-License-Identifier: Apache-2.0
#include "engine/waiting_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace redknot {
namespace {

using testing::HasSubstr;

ErrorCode code(const Status& status) {
  return status.ok() ? ErrorCode::kCancelled : status.error().code();
}

TEST(WaitingRoom, SharesOfTheQueueAreAtLeastOne) {
  EXPECT_EQ(limits_of(1024, 1, 64).waiting_of_one_salt, 1024);
  EXPECT_EQ(limits_of(1024, 3, 64).waiting_of_one_salt, 341);
  EXPECT_EQ(limits_of(4, 100, 64).waiting_of_one_salt, 1);
}

TEST(WaitingRoom, ATenantThatFillsItsShareLeavesTheOthersTheirs) {
  WaitingRoom room(limits_of(/*max_waiting=*/10, /*tenants=*/2, /*max_running=*/4));
  ASSERT_TRUE(room.enter("a", 5).ok());
  const Status refused = room.enter("a", 1);
  ASSERT_EQ(code(refused), ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("5 requests of this tenant are waiting"));
  EXPECT_TRUE(room.enter("b", 5).ok());
  const Status full = room.enter("c", 1);
  ASSERT_EQ(code(full), ErrorCode::kUnavailable);
  EXPECT_THAT(full.error().message(), HasSubstr("10 requests are waiting already"));
  room.begin("a");
  EXPECT_TRUE(room.enter("a", 1).ok());
}

TEST(WaitingRoom, WhatCouldNeverWaitIsAWrongRequest) {
  WaitingRoom room(limits_of(10, 2, 4));
  EXPECT_EQ(code(room.enter("a", 6)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(room.enter("a", 11)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(room.under_way(), 0);
}

TEST(WaitingRoom, SeveralEnterTogetherOrNotAtAll) {
  WaitingRoom room(limits_of(10, 1, 4));
  ASSERT_TRUE(room.enter("a", 8).ok());
  EXPECT_EQ(code(room.enter("a", 3)), ErrorCode::kUnavailable);
  EXPECT_EQ(room.under_way(), 8);
  EXPECT_TRUE(room.enter("a", 2).ok());
}

TEST(WaitingRoom, NoMoreAreUnderWayThanMayWaitAndRun) {
  WaitingRoom room(limits_of(/*max_waiting=*/2, 1, /*max_running=*/3));
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(room.enter("a", 1).ok()) << i;
    room.begin("a");
  }
  EXPECT_EQ(code(room.enter("b", 1)), ErrorCode::kUnavailable);
  room.leave("a");
  EXPECT_TRUE(room.enter("b", 1).ok());
}

// A tenant that preempts its own requests with ever larger priorities has many that have begun and
// wait again.
TEST(WaitingRoom, WhatATenantHasPreemptedLeavesTheOthersTheirShares) {
  WaitingRoom room(limits_of(/*max_waiting=*/9, /*tenants=*/3, /*max_running=*/4));
  for (const char* salt : {"a", "b"}) {
    int entered = 0;
    while (room.enter(salt, 1).ok()) {
      room.begin(salt);
      ASSERT_LE(++entered, 3 + 4);
    }
    EXPECT_EQ(entered, 3 + 4);
  }
  EXPECT_TRUE(room.enter("c", 3).ok());
}

TEST(WaitingRoom, CountsStayWithinTheirLimitsWhateverComes) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const WaitingLimits limits = limits_of(20, 3, 5);
  WaitingRoom room(limits);
  int waiting[3] = {}, begun[3] = {};
  for (int step = 0; step < 5000; ++step) {
    const int tenant = static_cast<int>(random() % 3), count = 1 + static_cast<int>(random() % 4);
    const std::string salt(1, static_cast<char>('a' + tenant));
    const int all = waiting[0] + waiting[1] + waiting[2];
    const int all_begun = begun[0] + begun[1] + begun[2];
    const int under_way = waiting[tenant] + begun[tenant];
    switch (random() % 3) {
      case 0: {
        const bool fits = all + count <= limits.waiting && all + all_begun + count <= 20 + 3 * 5 &&
                          waiting[tenant] + count <= limits.waiting_of_one_salt &&
                          under_way + count <= limits.waiting_of_one_salt + 5;
        ASSERT_EQ(room.enter(salt, count).ok(), fits);
        if (fits) waiting[tenant] += count;
        break;
      }
      case 1:
        if (waiting[tenant] == 0) break;
        room.begin(salt);
        --waiting[tenant];
        ++begun[tenant];
        break;
      default:
        if (begun[tenant] == 0) break;
        room.leave(salt);
        --begun[tenant];
    }
    ASSERT_EQ(room.under_way(),
              waiting[0] + waiting[1] + waiting[2] + begun[0] + begun[1] + begun[2]);
  }
}

}  // namespace
}  // namespace redknot
