// SPDX-License-Identifier: Apache-2.0
// What one tenant can do to the queue of another, through the public header.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "redknot/redknot.h"
#include "tests/answers.h"
#include "tests/model_maker.h"
#include "tests/wait.h"

namespace redknot {
namespace {

using testing::HasSubstr;
using tests::greedy_request;
using tests::ModelOnDisk;
using tests::read_all;
using tests::small_engine;
using tests::small_shape;

class QueueShareTest : public testing::Test {
 protected:
  // Two tenants share a queue of 256, and one sequence runs at a time.
  Engine open() const {
    EngineOptions options = small_engine(model_.path());
    options.max_running = 1;
    options.max_waiting = 256;
    options.tenants = 2;
    return Engine::open(options).value();
  }

  static Request request_of(const std::string& salt, int tokens) {
    Request request = greedy_request(5, 3);
    request.cache_salt = salt;
    request.max_tokens = tokens;
    return request;
  }

  // Runs, and does nothing: nobody reads its logits.
  static Generation hold(Engine& engine) {
    Request request = request_of("flood", 16);
    request.all_logits = true;
    Generation generation = engine.generate(std::move(request)).value();
    EXPECT_TRUE(generation.next());
    return generation;
  }

  ModelOnDisk model_{{.shape = small_shape(Architecture::kLlama), .type = "Q8_0", .seed = 7}};
};

TEST_F(QueueShareTest, OneTenantFillsItsShareAndTheOtherStillGetsIn) {
  Engine engine = open();
  std::optional<Generation> holder = hold(engine);
  std::optional<std::vector<Generation>> flood =
      engine.generate_several(request_of("flood", 2), 128).value();
  for (const int answers : {1, 128}) {
    const auto refused = engine.generate_several(request_of("flood", 2), answers);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
    EXPECT_THAT(refused.error().message(), HasSubstr("128 requests of this tenant are waiting"));
  }
  std::vector<Generation> others = engine.generate_several(request_of("other", 2), 128).value();
  const auto full = engine.generate(request_of("third", 2));
  ASSERT_FALSE(full.ok());
  EXPECT_THAT(full.error().message(), HasSubstr("256 requests are waiting already"));
  // Whoever leaves makes room for its own tenant.
  flood.reset();
  EXPECT_TRUE(tests::becomes_true([&] { return engine.generate(request_of("flood", 2)).ok(); }));
  EXPECT_FALSE(engine.generate(request_of("other", 2)).ok());
  holder.reset();
  for (Generation& one : others) EXPECT_EQ(read_all(one).tokens.size(), 2u);
  EXPECT_TRUE(engine.generate(request_of("other", 2)).ok());
}

TEST_F(QueueShareTest, MoreAnswersThanAShareHasCanNeverWait) {
  Engine engine = open();
  const auto refused = engine.generate_several(request_of("flood", 2), 129);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message(), HasSubstr("128 requests of one tenant"));
}

TEST_F(QueueShareTest, PlacesComeBackHoweverARequestEnds) {
  Engine engine = open();
  for (int round = 0; round < 300; ++round) {  // more than there are places
    Request request = request_of("flood", round % 4 == 0 ? 0 : 3);
    request.max_queue_seconds = round % 4 == 1 ? 1e-9 : 0;
    std::optional<Generation> generation;
    ASSERT_TRUE(tests::becomes_true([&] {
      auto made = engine.generate(request);
      if (made.ok()) generation = std::move(*made);
      return generation.has_value();
    }));
    if (round % 4 != 2) read_all(*generation);  // if not, it is left at once
  }
  EXPECT_EQ(engine.generate_several(request_of("flood", 1), 128).value().size(), 128u);
}

}  // namespace
}  // namespace redknot
