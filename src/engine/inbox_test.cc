// SPDX-License-Identifier: Apache-2.0
#include "engine/inbox.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/wait.h"

namespace redknot {
namespace {

NewRequests one_request(const std::shared_ptr<Inbox>& inbox, const std::string& salt) {
  auto sequence = std::make_shared<SequenceRequest>();
  sequence->spec.salt = salt;
  NewRequests requests{.sequence = std::move(sequence), .arrivals = {}};
  requests.arrivals.push_back({.state = std::make_shared<Generation::State>(inbox)});
  return requests;
}

TEST(Inbox, MessagesComeInTheirOrder) {
  const auto inbox = std::make_shared<Inbox>(limits_of(4, 1, 4));
  NewRequests requests = one_request(inbox, "a");
  const auto state = requests.arrivals[0].state;
  ASSERT_TRUE(inbox->submit(std::move(requests)).ok());
  ASSERT_TRUE(state->leave());
  inbox->cancel(state);
  const auto first = inbox->take(), second = inbox->take();
  ASSERT_TRUE(first && std::holds_alternative<NewRequests>(*first));
  ASSERT_TRUE(second && std::holds_alternative<Cancel>(*second));
  EXPECT_EQ(std::get<Cancel>(*second).generation, state);
  EXPECT_FALSE(inbox->take());
}

TEST(Inbox, EveryRequestUnderWayHasRoomForItsCancel) {
  const auto inbox = std::make_shared<Inbox>(limits_of(/*max_waiting=*/3, 1, /*max_running=*/2));
  std::vector<std::shared_ptr<Generation::State>> running, waiting;
  for (int i = 0; i < 5; ++i) {
    NewRequests requests = one_request(inbox, "a");
    (i < 2 ? running : waiting).push_back(requests.arrivals[0].state);
    ASSERT_TRUE(inbox->submit(std::move(requests)).ok());
    if (i >= 2) continue;
    ASSERT_TRUE(inbox->take());
    inbox->room().begin("a");
  }
  EXPECT_FALSE(inbox->submit(one_request(inbox, "a")).ok());
  for (const auto& one : running) inbox->cancel(one);
  for (const auto& one : waiting) inbox->cancel(one);
  int cancels = 0;
  while (const auto message = inbox->take()) cancels += std::holds_alternative<Cancel>(*message);
  EXPECT_EQ(cancels, 5);
}

TEST(Inbox, NobodyIsToldOnceItIsClosed) {
  const auto inbox = std::make_shared<Inbox>(limits_of(4, 1, 4));
  inbox->close();
  const auto state = std::make_shared<Generation::State>(inbox);
  inbox->cancel(state);
  EXPECT_FALSE(inbox->take());
  EXPECT_FALSE(inbox->ask(ListSegments{.salt = "a"}));
  const Status refused = inbox->submit(one_request(inbox, "a"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kCancelled);
}

TEST(Inbox, OnlyOneOfReaderAndLoopIsFirst) {
  Generation::State left(nullptr), ended(nullptr);
  EXPECT_TRUE(left.leave());
  EXPECT_FALSE(left.end());
  EXPECT_TRUE(ended.end());
  EXPECT_FALSE(ended.leave());
}

TEST(Inbox, MoreCallersThanOperationsMayWaitAreAllAnswered) {
  const tests::TimeLimit limit("the answers of operations");
  Inbox inbox(limits_of(4, 1, 4));
  constexpr int kCallers = 2 * Inbox::kMostOperations;
  std::vector<std::future<int>> answers;
  for (int i = 0; i < kCallers; ++i) {
    answers.push_back(std::async(std::launch::async, [&inbox, i] {
      return inbox.ask(DropSegments{.name = {"a", std::to_string(i)}}).value_or(-1);
    }));
  }
  for (int answered = 0; answered < kCallers; ++answered) {
    std::optional<LoopMessage> message;
    ASSERT_TRUE(tests::becomes_true([&] {
      message = inbox.take();
      return message.has_value();
    }));
    auto& drop = std::get<DropSegments>(*message);
    drop.answer.set_value(std::stoi(drop.name.id));
  }
  for (int i = 0; i < kCallers; ++i) {
    auto& answer = answers[static_cast<std::size_t>(i)];
    EXPECT_EQ(answer.get(), i);
  }
}

}  // namespace
}  // namespace redknot
