// SPDX-License-Identifier: Apache-2.0
#include "sched/step_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace redknot {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int> share(const std::vector<int>& wanted, int room) {
  return share_rows(wanted, room);
}

TEST(ShareRows, AShortOneGoesBesideALongOneThatCameFirst) {
  EXPECT_THAT(share({100'000, 200}, 512), ElementsAre(312, 200));
  EXPECT_THAT(share({100'000, 300}, 512), ElementsAre(256, 256));
  EXPECT_THAT(share({100'000, 300, 50}, 512), ElementsAre(256, 206, 50));
}

TEST(ShareRows, TheFirstGoesOnWhateverComes) {
  const std::vector<int> wanted(100, 10);
  std::vector<int> with_long = wanted;
  with_long.insert(with_long.begin(), 1000);
  EXPECT_EQ(share(with_long, 64).front(), 32);
}

TEST(ShareRows, AloneItGetsAll) {
  EXPECT_THAT(share({1000}, 64), ElementsAre(64));
  EXPECT_THAT(share({10}, 64), ElementsAre(10));
  EXPECT_THAT(share({}, 64), IsEmpty());
  EXPECT_THAT(share({3, 4}, 0), ElementsAre(0, 0));
  EXPECT_THAT(share({3, 4}, 1), ElementsAre(1, 0));
}

TEST(ShareRows, NothingIsLeftThatSomebodyWants) {
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    std::vector<int> wanted(random() % 8);
    for (int& one : wanted) one = static_cast<int>(random() % 100);
    const int room = static_cast<int>(random() % 200);
    const std::vector<int> shares = share(wanted, room);
    ASSERT_EQ(std::reduce(shares.begin(), shares.end()),
              std::min(room, std::reduce(wanted.begin(), wanted.end())));
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_GE(shares[i], 0);
      ASSERT_LE(shares[i], wanted[i]);
    }
  }
}

}  // namespace
}  // namespace redknot
