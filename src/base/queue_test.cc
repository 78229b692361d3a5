// SPDX-License-Identifier: Apache-2.0
#include "base/queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "tests/wait.h"

namespace redknot {
namespace {

using tests::becomes_true;
using tests::TimeLimit;

TEST(BoundedQueue, ItemsComeOutInTheOrderTheyWentIn) {
  BoundedQueue<int> queue(8);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(queue.push(i));
  EXPECT_EQ(queue.size(), 5u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(queue.pop(), i);
  EXPECT_EQ(queue.try_pop(), 4);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST(BoundedQueue, FullIsAnAnswerAndDropsTheItem) {
  BoundedQueue<std::shared_ptr<int>> queue(2);
  const auto item = std::make_shared<int>(1);
  EXPECT_TRUE(queue.push(item));
  EXPECT_TRUE(queue.push(item));
  EXPECT_FALSE(queue.push(item));
  EXPECT_EQ(item.use_count(), 3);
  queue.pop();
  EXPECT_TRUE(queue.push(item));
}

TEST(BoundedQueue, AClosedQueueGivesWhatItHasAndTakesNoMore) {
  const TimeLimit limit("a wait for a closed queue");
  BoundedQueue<int> queue(8);
  queue.push(1);
  queue.close();
  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.push(2));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
  queue.wait();  // does not wait
}

TEST(BoundedQueue, CloseWakesWhoeverWaits) {
  const TimeLimit limit("waits that a close ends");
  BoundedQueue<int> queue(8);
  std::thread popping([&] { EXPECT_EQ(queue.pop(), std::nullopt); });
  std::thread waiting([&] { queue.wait(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  queue.close();
  popping.join();
  waiting.join();
}

TEST(BoundedQueue, APokeEndsOneWaitEvenIfItCameBefore) {
  const TimeLimit limit("waits that a poke ends");
  BoundedQueue<int> queue(8);
  queue.poke();
  queue.wait();
  std::atomic<bool> poked{false};
  std::thread poking([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    poked = true;
    queue.poke();
  });
  queue.wait();  // the first poke is used up
  EXPECT_TRUE(poked);
  poking.join();
}

TEST(BoundedQueue, AnItemEndsAWaitAndStays) {
  const TimeLimit limit("a wait that an item ends");
  BoundedQueue<int> queue(8);
  std::thread pushing([&] { queue.push(3); });
  queue.wait();
  EXPECT_EQ(queue.try_pop(), 3);
  pushing.join();
}

// Several threads push, one takes: nothing is lost or doubled, and each thread's items keep their
// order.
TEST(BoundedQueue, ManyProducersMeetOneConsumer) {
  constexpr int kProducers = 3, kItems = 2000;
  const TimeLimit limit("items of three producers");
  BoundedQueue<std::pair<int, int>> queue(16);
  std::vector<std::thread> producers;
  for (int producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&queue, producer] {
      for (int i = 0; i < kItems; ++i) {
        EXPECT_TRUE(becomes_true([&] { return queue.push({producer, i}); }));
      }
    });
  }
  std::vector<int> next(kProducers, 0);
  for (int taken = 0; taken < kProducers * kItems; ++taken) {
    const auto [producer, item] = *queue.pop();
    ASSERT_EQ(item, next[static_cast<std::size_t>(producer)]++);
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(queue.size(), 0u);
}

}  // namespace
}  // namespace redknot
