// SPDX-License-Identifier: Apache-2.0
// A load against a server of the test's own, over real sockets.
#include "load/load_run.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "http/server.h"
#include "load/report.h"
#include "tests/wait.h"

namespace redknot::load {
namespace {

namespace asio = boost::asio;
using Json = nlohmann::json;
using tests::TimeLimit;

// Speaks as much of OpenAI's dialect as a load needs. The text of an answer is the length of its
// prompt in letters; where `strange` is set and reuse is not "none", its last letter differs.
struct FakeModel {
  http::Server server{http::ServerOptions{}};
  std::chrono::milliseconds token_time{1};
  int refuse_after = 1 << 30;  // prompts
  bool strange = false;
  bool cuts_streams = false;
  std::atomic<int> prompts = 0;
  std::atomic<int> running = 0;
  std::atomic<int> most_running = 0;
  std::mutex mutex;
  std::vector<Json> bodies;
  std::string last_key;

  // Not in a constructor, which cannot fail.
  void start() {
    const Status started = server.start(
        [this](const http::Request& request, http::Exchange& out) -> asio::awaitable<void> {
          return serve(request, out);
        });
    ASSERT_TRUE(started.ok()) << started.error().message();
  }
  Address address() const { return {.port = static_cast<std::uint16_t>(server.port())}; }

  asio::awaitable<void> serve(const http::Request& request, http::Exchange& out) {
    http::Reply reply;
    if (request.path == "/v1/models") {
      reply.body = R"({"data": [{"id": "fake"}]})";
    } else if (request.path == "/metrics") {
      reply.content_type = "text/plain";
      reply.body = concat("redknot:num_requests_running ", running.load(),
                          "\nredknot:num_preemptions_total ", prompts.load() > 0 ? 5 : 2, "\n");
    } else if (request.path == "/tokenize") {
      Json counted = {{"count", 3000}};
      reply.body = counted.dump();
    } else if (prompts++ >= refuse_after) {
      reply.status = 429;
      reply.body = R"({"error": {"message": "full"}})";
    } else {
      co_await answer(request, out);
      co_return;
    }
    co_await out.reply(std::move(reply));
  }

  asio::awaitable<void> answer(const http::Request& request, http::Exchange& out) {
    const Json body = Json::parse(request.body);
    {
      const std::lock_guard lock(mutex);
      bodies.push_back(body);
      last_key = std::string(request.header("authorization"));
    }
    most_running = std::max(most_running.load(), ++running);
    http::Reply head;
    head.content_type = "text/event-stream";
    out.claim_stream();
    co_await out.begin_stream(std::move(head));
    const Json& prompt = body.contains("messages") ? body["messages"] : body["prompt"];
    const bool exact = body.contains("redknot") && body["redknot"].value("reuse", "") == "none";
    const int tokens = body["max_tokens"].get<int>();
    asio::steady_timer pause(out.executor());
    for (int token = 0; token < tokens; ++token) {
      pause.expires_after(token_time);
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      const bool wrong = strange && !exact && token == tokens - 1;
      const char letter = static_cast<char>('a' + (prompt.dump().size() + token) % 26);
      Json chunk = {
          {"choices", {{{"delta", {{"content", std::string(1, wrong ? '!' : letter)}}}}}}};
      std::string event = "data: " + chunk.dump() + "\n\n";
      const bool there = co_await out.write(std::move(event));
      if (!there) break;
    }
    Json usage = {{"choices", Json::array()},
                  {"usage", {{"prompt_tokens", 10}, {"completion_tokens", tokens}}}};
    std::string end = "data: " + usage.dump() + "\n\n" + (cuts_streams ? "" : "data: [DONE]\n\n");
    --running;
    co_await out.write(std::move(end));
    co_await out.end_stream();
  }
};

LoadResult run_load(const FakeModel& model, const WorkloadOptions& what, LoadOptions how = {}) {
  const TimeLimit limit("the end of a load");
  how.server = model.address();
  auto workload = make_workload(what, {});
  EXPECT_TRUE(workload.ok());
  LoadRun run(*std::move(workload), std::move(how), [](const LoadProgress&) {});
  auto result = run.run();
  EXPECT_TRUE(result.ok()) << result.error().message();
  return result.ok() ? *std::move(result) : LoadResult{};
}

TEST(LoadRun, EveryPromptIsAnsweredOnce) {
  FakeModel model;
  model.start();
  const LoadResult result =
      run_load(model, {.prompts = 30, .rate = 300, .output_tokens = 5}, {.api_key = "secret"});
  const Report report = make_report(result.answers, {});
  EXPECT_EQ(report.completed, 30);
  EXPECT_EQ(report.output_tokens, 150);
  EXPECT_EQ(report.prompt_tokens, 300);
  EXPECT_EQ(report.itl_ms.count, 120u);
  EXPECT_GE(report.ttft_ms.p50, 1);
  EXPECT_EQ(model.prompts, 30);
  EXPECT_EQ(model.last_key, "Bearer secret");
  EXPECT_EQ(result.model, "fake");
  EXPECT_EQ(result.preemptions, 3);
  ASSERT_TRUE(result.tokens_per_word);
  EXPECT_NEAR(*result.tokens_per_word, 1.5, 1e-9);
  EXPECT_GE(result.peak_streams, model.most_running);
}

TEST(LoadRun, AWaitForASlotIsCharged) {
  FakeModel model;
  model.token_time = std::chrono::milliseconds(10);
  model.start();
  const LoadResult result =
      run_load(model, {.prompts = 6, .output_tokens = 3}, {.max_concurrency = 2});
  EXPECT_EQ(model.most_running, 2);
  EXPECT_EQ(result.peak_streams, 2);
  const Report report = make_report(result.answers, {});
  EXPECT_GE(report.ttft_ms.max, 60);  // two times three tokens, and one
  EXPECT_GE(report.waited_ms.max, 50);
}

TEST(LoadRun, TurnsWaitForTheAnswerAndRepeatIt) {
  FakeModel model;
  model.start();
  const LoadResult result = run_load(
      model, {.mix = Mix::kMultiTurn, .prompts = 3, .output_tokens = 4, .turns = 3, .think_s = 0});
  ASSERT_EQ(result.answers.size(), 3u);
  ASSERT_EQ(model.bodies.size(), 3u);
  const Json& messages = model.bodies[2]["messages"];
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[1]["role"], "assistant");
  EXPECT_EQ(messages[1]["content"], result.answers[0].text);
  EXPECT_EQ(messages[3]["content"], result.answers[1].text);
  EXPECT_GE(result.answers[1].scheduled_s, result.answers[0].end_s);
}

TEST(LoadRun, DocumentsAreMarkedReusableParts) {
  FakeModel model;
  model.start();
  LoadOptions how;
  how.prompts.reuse = "segment";
  how.prompts.recovery = "knot";
  how.prompts.ratio = 0.1;
  how.prompts.ignore_eos = true;
  run_load(model, {.mix = Mix::kShared, .prompts = 1, .documents_per_prompt = 2}, how);
  ASSERT_EQ(model.bodies.size(), 1u);
  const Json& body = model.bodies[0];
  const Json& content = body["messages"][0]["content"];
  ASSERT_EQ(content.size(), 3u);
  EXPECT_EQ(content[1]["cache_control"]["type"], "ephemeral");
  EXPECT_FALSE(content[2].contains("cache_control"));
  EXPECT_EQ(body["redknot"], Json({{"reuse", "segment"}, {"recovery", "knot"}, {"ratio", 0.1}}));
  EXPECT_EQ(body["ignore_eos"], true);
  EXPECT_EQ(body["temperature"], 0.0);
  EXPECT_FALSE(body.contains("seed"));
}

TEST(LoadRun, CompletionsAndSeedsAreSentWhereWanted) {
  FakeModel model;
  model.start();
  LoadOptions how;
  how.prompts.endpoint = Endpoint::kCompletions;
  how.prompts.temperature = 0.5;
  run_load(model, {.prompts = 2}, how);
  ASSERT_EQ(model.bodies.size(), 2u);
  EXPECT_TRUE(model.bodies[0]["prompt"].is_string());
  EXPECT_FALSE(model.bodies[0].contains("redknot"));
  EXPECT_NE(model.bodies[0]["seed"], model.bodies[1]["seed"]);
}

TEST(LoadRun, CheckFindsAnswersThatDiffer) {
  FakeModel model;
  model.start();
  const LoadResult same = run_load(model, {.prompts = 5, .output_tokens = 4}, {.check = true});
  ASSERT_TRUE(same.agreement);
  EXPECT_EQ(same.agreement->compared, 5);
  EXPECT_EQ(same.agreement->identical, 5);
  EXPECT_EQ(model.prompts, 10);
  model.strange = true;
  const LoadResult other = run_load(model, {.prompts = 5, .output_tokens = 4}, {.check = true});
  EXPECT_EQ(other.agreement->identical, 0);
  EXPECT_EQ(other.agreement->token_share(), 0.75);
}

TEST(LoadRun, RefusalsAreCountedAndEndTheirConversation) {
  FakeModel model;
  model.refuse_after = 1;
  model.start();
  const LoadResult result = run_load(
      model, {.mix = Mix::kMultiTurn, .prompts = 4, .output_tokens = 1, .turns = 4, .think_s = 0});
  const Report report = make_report(result.answers, {});
  EXPECT_EQ(report.completed, 1);
  EXPECT_EQ(report.failures.at("HTTP 429"), 1);
  EXPECT_EQ(report.causes.at("HTTP 429"), "full");
  EXPECT_EQ(report.failures.at("earlier turn failed"), 2);
}

TEST(LoadRun, AStreamWithoutItsEndIsCutShort) {
  FakeModel model;
  model.cuts_streams = true;
  model.start();
  const LoadResult result = run_load(model, {.prompts = 1, .output_tokens = 2});
  ASSERT_EQ(result.answers.size(), 1u);
  EXPECT_EQ(result.answers[0].failure, "cut short");
}

TEST(LoadRun, ARequestThatTakesTooLongIsGivenUp) {
  FakeModel model;
  model.token_time = std::chrono::seconds(2);
  model.start();
  const auto start = std::chrono::steady_clock::now();
  const LoadResult result = run_load(model, {.prompts = 1}, {.timeout_s = 0.2});
  ASSERT_EQ(result.answers.size(), 1u);
  EXPECT_EQ(result.answers[0].failure, "timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(LoadRun, NothingIsSentAfterTheDuration) {
  FakeModel model;
  model.start();
  const LoadResult result =
      run_load(model, {.prompts = 1000, .rate = 50, .output_tokens = 1}, {.duration_s = 0.3});
  EXPECT_GT(result.answers.size(), 3u);
  EXPECT_LT(result.answers.size(), 40u);
  EXPECT_EQ(result.unsent + static_cast<int>(result.answers.size()), 1000);
  const LoadResult none =
      run_load(model, {.prompts = 3, .rate = 1e-6, .output_tokens = 1}, {.duration_s = 0.01});
  EXPECT_EQ(none.unsent, 3);
}

TEST(LoadRun, StoppedItReturnsWhatItHas) {
  const TimeLimit limit("the end of a load that is stopped");
  FakeModel model;
  model.token_time = std::chrono::milliseconds(20);
  model.start();
  auto workload = make_workload({.prompts = 100, .rate = 20, .output_tokens = 5}, {});
  ASSERT_TRUE(workload.ok());
  LoadRun run(*std::move(workload), {.server = model.address()}, [](const LoadProgress&) {});
  std::thread stopper([&run] {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    run.stop();
  });
  const auto result = run.run();
  stopper.join();
  ASSERT_TRUE(result.ok());
  EXPECT_GT(result->answers.size(), 2u);
  EXPECT_GT(result->unsent, 20);
  EXPECT_EQ(result->unsent + result->cut_off + static_cast<int>(result->answers.size()), 100);
}

TEST(LoadRun, BystandersStandBy) {
  FakeModel model;
  model.start();
  const LoadResult result = run_load(model, {.prompts = 3, .output_tokens = 2},
                                     {.idle_connections = 20, .slow_readers = 4});
  EXPECT_EQ(result.bystanders.idle, 20);
  EXPECT_EQ(result.bystanders.slow, 4);
  EXPECT_EQ(result.bystanders.lost, 0);
  EXPECT_EQ(make_report(result.answers, {}).completed, 3);
}

TEST(LoadRun, AServerThatIsNotThereIsSaidSo) {
  const TimeLimit limit("the end of a load without a server");
  auto workload = make_workload({.prompts = 1}, {});
  Address nowhere;
  {
    FakeModel model;
    model.start();
    nowhere = model.address();
  }
  LoadRun run(*std::move(workload), {.server = nowhere}, [](const LoadProgress&) {});
  const auto result = run.run();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(result.error().message().find("models"), std::string::npos);
}

}  // namespace
}  // namespace redknot::load
