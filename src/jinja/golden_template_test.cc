// SPDX-License-Identifier: Apache-2.0
// Templates of published models against Jinja2 itself, byte for byte. Skipped where the shared
// files are not there.
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "redknot/chat_template.h"

namespace redknot {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const fs::path kGolden = fs::path(REDKNOT_SOURCE_DIR) / "../shared/golden/chat_templates";

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// 2024-07-26T15:04:05, local time.
std::int64_t golden_now() {
  std::tm time{};
  time.tm_year = 124;
  time.tm_mon = 6;
  time.tm_mday = 26;
  time.tm_hour = 15;
  time.tm_min = 4;
  time.tm_sec = 5;
  time.tm_isdst = -1;
  return std::mktime(&time);
}

Json variables_of(const Json& golden, const Json& conversation, const Json& one) {
  Json variables = {{"messages", conversation["messages"]},
                    {"tools", conversation.value("tools", Json())},
                    {"documents", Json()},
                    {"add_generation_prompt", one["add_generation_prompt"]}};
  for (const char* token : {"bos_token", "eos_token"}) {
    if (!golden[token].is_null()) variables[token] = golden[token];
  }
  if (one.contains("kwargs")) variables.update(one["kwargs"]);
  return variables;
}

void check(const ChatTemplate& program, const Json& variables, const Json& one) {
  const auto text = program.render(variables.dump(), golden_now());
  if (one.contains("expected")) {
    ASSERT_TRUE(text.ok()) << text.error().message();
    EXPECT_EQ(*text, one["expected"].get<std::string>());
    return;
  }
  ASSERT_FALSE(text.ok()) << "rendered, but expected " << one;
  if (one.contains("raises")) {
    EXPECT_NE(text.error().message().find(one["raises"].get<std::string>()), std::string::npos)
        << text.error().message();
  }
}

TEST(GoldenTemplates, RenderAsJinja2DoesToTheByte) {
  if (!fs::exists(kGolden)) GTEST_SKIP() << kGolden << " is not there";
  const Json conversations = Json::parse(content(kGolden / "conversations.json"));
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(kGolden / "expected")) {
    const Json golden = Json::parse(content(entry.path()));
    const std::string name = golden["template"];
    const auto program = ChatTemplate::parse(content(kGolden / "templates" / name));
    ASSERT_TRUE(program.ok()) << name << ": " << program.error().message();
    for (const Json& one : golden["cases"]) {
      const std::string conversation = one["conversation"];
      SCOPED_TRACE(name + ", " + conversation);
      check(*program, variables_of(golden, conversations[conversation], one), one);
      ++cases;
    }
  }
  EXPECT_GT(cases, 1000);
}

}  // namespace
}  // namespace redknot
