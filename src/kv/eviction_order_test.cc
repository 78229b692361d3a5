// SPDX-License-Identifier: Apache-2.0
#include "kv/eviction_order.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <string>

#include "kv/use_memory.h"

namespace redknot {
namespace {

Sha256Digest key_of(int number) {
  Sha256Digest key{};
  key[0] = std::byte(number & 0xff);
  key[1] = std::byte(number >> 8 & 0xff);
  return key;
}

class EvictionOrderTest : public testing::Test {
 protected:
  EvictionOrder::Rank enter(const std::string& tenant, int number, double worth,
                            std::size_t bytes = 10) {
    const EvictionOrder::Rank rank{.worth = worth, .used = 1, .key = key_of(number)};
    order_.charge(tenant, bytes);
    order_.enter(tenant, rank);
    return rank;
  }
  // The number of the one that goes next, which goes; -1: none.
  int evict(const std::string& tenant, std::size_t bytes = 10) {
    const std::optional<EvictionOrder::Rank> rank = order_.next();
    if (!rank) return -1;
    order_.leave(tenant, *rank);
    order_.discharge(tenant, bytes);
    EXPECT_TRUE(order_.check());
    return std::to_integer<int>(rank->key[0]);
  }
  int next() const {
    const std::optional<EvictionOrder::Rank> rank = order_.next();
    return rank ? std::to_integer<int>(rank->key[0]) : -1;
  }

  EvictionOrder order_;
};

TEST_F(EvictionOrderTest, TheLeastWorthGoesFirst) {
  enter("", 1, 3);
  enter("", 2, 1);
  enter("", 3, 2);
  EXPECT_EQ(evict(""), 2);
  EXPECT_EQ(evict(""), 3);
  EXPECT_EQ(evict(""), 1);
  EXPECT_EQ(evict(""), -1);
  EXPECT_EQ(order_.tenants(), 0);
}

TEST_F(EvictionOrderTest, OfEqualsTheOneThatWasUsedLongestAgoGoesFirst) {
  order_.charge("", 20);
  order_.enter("", {.worth = 1, .used = 5, .key = key_of(1)});
  order_.enter("", {.worth = 1, .used = 4, .key = key_of(2)});
  EXPECT_EQ(evict(""), 2);
  EXPECT_EQ(evict(""), 1);
}

TEST_F(EvictionOrderTest, LongerContextsAndMoreUsesAreWorthMore) {
  EXPECT_LT(order_.worth(100, 1), order_.worth(1000, 1));
  EXPECT_LT(order_.worth(100, 1), order_.worth(100, 2));
  const double once = order_.worth(100, 1), twice = order_.worth(100, 2);
  order_.evicted({.worth = 7});
  EXPECT_EQ(order_.worth(100, 1), once);  // no credit for age
  EXPECT_EQ(order_.worth(100, 2), 7 + twice);
}

TEST_F(EvictionOrderTest, OnlyTenantsThatKeepTheirShareGive) {
  for (int i = 0; i < 5; ++i) enter("many", 10 + i, 5 + i);
  enter("few", 1, 1);
  enter("few", 2, 2);
  EXPECT_EQ(evict("many"), 10);
  EXPECT_EQ(evict("many"), 11);
  EXPECT_EQ(evict("many"), 12);
  // Both keep as much: the least worth of all goes.
  EXPECT_EQ(evict("few"), 1);
  EXPECT_EQ(evict("many"), 13);
  EXPECT_EQ(evict("few"), 2);
}

TEST_F(EvictionOrderTest, WhereThoseHaveNothingThatMayGoOthersGive) {
  order_.charge("pinned", 100);
  for (int i = 0; i < 3; ++i) enter("most", 10 + i, 5 + i);
  enter("few", 1, 1);
  EXPECT_EQ(evict("most"), 10);
  EXPECT_EQ(evict("most"), 11);
  EXPECT_EQ(evict("few"), 1);
  EXPECT_EQ(evict("most"), 12);
  EXPECT_EQ(next(), -1);
  EXPECT_EQ(order_.kept_bytes("pinned"), 100u);
  EXPECT_EQ(order_.kept_bytes("few"), 0u);
}

TEST(UseMemoryTest, CountsUsesOfWhatIsRemembered) {
  UseMemory memory;
  memory.ask(key_of(1));
  EXPECT_EQ(memory.uses(key_of(1)), 0);
  memory.remember(key_of(1), 3);
  memory.ask(key_of(1));
  EXPECT_EQ(memory.uses(key_of(1)), 4);
  EXPECT_EQ(memory.uses(key_of(2)), 0);
}

TEST(UseMemoryTest, ForgetsWhatCameFirst) {
  UseMemory memory;
  const int most = static_cast<int>(UseMemory::kMostRemembered);
  for (int i = 0; i <= most; ++i) memory.remember(key_of(i), 1);
  EXPECT_EQ(memory.uses(key_of(0)), 0);
  EXPECT_EQ(memory.uses(key_of(1)), 1);
  EXPECT_EQ(memory.uses(key_of(most)), 1);
}

}  // namespace
}  // namespace redknot
