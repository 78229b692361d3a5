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

}  // namespace
}  // namespace redknot::server
