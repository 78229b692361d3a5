// SPDX-License-Identifier: Apache-2.0
#include "server/api_error.h"

#include <gtest/gtest.h>

#include "server/json_fields.h"

namespace redknot::server {
namespace {

TEST(ApiError, ARefusedFieldIsABadRequest) {
  const Read<Json> json = parse_json(R"({"f": "1"})");
  ASSERT_TRUE(json.ok());
  Refusal refusal;
  (void)Value(&*json, "", refusal)["f"].integer(-5, 10, 0);
  ASSERT_TRUE(refusal.first());
  const ApiError error = api_error(*refusal.first());
  EXPECT_EQ(error.status, 400);
  EXPECT_EQ(error.param, "f");
  EXPECT_EQ(error.message, "f: expected an integer, got a string");
  EXPECT_EQ(error.code, "");
}

TEST(ApiError, EveryCodeOfTheEngineHasOneStatus) {
  const auto status_of = [](ErrorCode code) { return api_error(Error(code, "why")).status; };
  EXPECT_EQ(status_of(ErrorCode::kInvalidArgument), 400);
  EXPECT_EQ(status_of(ErrorCode::kUnsupported), 400);
  EXPECT_EQ(status_of(ErrorCode::kResourceExhausted), 400);
  EXPECT_EQ(status_of(ErrorCode::kContextFull), 400);
  EXPECT_EQ(status_of(ErrorCode::kNotFound), 404);
  EXPECT_EQ(status_of(ErrorCode::kUnavailable), 429);
  EXPECT_EQ(status_of(ErrorCode::kCancelled), 503);
  EXPECT_EQ(status_of(ErrorCode::kCorrupt), 500);
  EXPECT_EQ(status_of(ErrorCode::kIo), 500);
}

TEST(ApiError, AFullContextKeepsItsNumbersOneLevelUp) {
  const Error full({.prompt_tokens = 300, .context_tokens = 256}, "the prompt is too long");
  const Error above = full.within("generate");
  EXPECT_EQ(above.code(), ErrorCode::kContextFull);
  EXPECT_EQ(above.message(), "generate: the prompt is too long");
  ASSERT_TRUE(above.context_full());
  EXPECT_EQ(above.context_full()->prompt_tokens, 300);
  EXPECT_EQ(above.context_full()->context_tokens, 256);
  EXPECT_FALSE(Error(ErrorCode::kIo, "why").context_full());
}

}  // namespace
}  // namespace redknot::server
