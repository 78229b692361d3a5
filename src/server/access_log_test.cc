// SPDX-License-Identifier: Apache-2.0
#include "server/access_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/temp_folder.h"

namespace redknot::server {
namespace {

TEST(AccessLog, ALineIsJsonWhateverTheClientWrote) {
  const AccessLine line{.request_id = "1", .path = "/\xff\"\n", .status = 404, .error = "no \x80"};
  const auto json = nlohmann::json::parse(to_json(line));
  EXPECT_EQ(json["status"], 404);
  EXPECT_EQ(to_json(line).find('\n'), std::string::npos);
  EXPECT_FALSE(json.contains("prompt_tokens"));
}

TEST(AccessLog, IsAppendedTo) {
  const tests::TempFolder folder;
  const auto path = folder / "access.log";
  for (int i = 0; i < 2; ++i) {
    AccessLog log = AccessLog::open(path.string()).value();
    log.write({.request_id = "abc", .tokens = AnsweredTokens{.prompt_tokens = 7}});
  }
  const std::string text = read_file(path, 10000).value();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(nlohmann::json::parse(text.substr(0, text.find('\n')))["prompt_tokens"], 7);
}

TEST(AccessLog, SaysWhyItCannotBeOpened) {
  EXPECT_FALSE(AccessLog::open("/dev/null/access.log").ok());
  EXPECT_TRUE(AccessLog::open("").ok());
}

}  // namespace
}  // namespace redknot::server
