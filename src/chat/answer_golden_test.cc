// SPDX-License-Identifier: Apache-2.0
// The calls that chat templates of published models write are read back.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/read_answer.h"

namespace redknot::chat {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kGolden = fs::path(REDKNOT_SOURCE_DIR) / "../shared/golden/chat_templates";
#define SKIP_WITHOUT_GOLDEN() \
  if (!fs::exists(kGolden)) GTEST_SKIP() << kGolden << " is not here"

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGolden / "expected")) {
    names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string template_source(const std::string& name) {
  return read_text(kGolden / "templates" / (name + ".jinja"));
}

// A conversation as the template writes it; nothing if the reference could not.
std::optional<std::string> rendered(const std::string& name, const std::string& conversation) {
  const Json golden = Json::parse(read_text(kGolden / "expected" / (name + ".json")));
  for (const Json& one : golden["cases"]) {
    const bool plain = one["add_generation_prompt"] == true && !one.contains("kwargs");
    if (one["conversation"] != conversation || !plain || !one.contains("expected")) continue;
    return one["expected"].get<std::string>();
  }
  return std::nullopt;
}

// What the model would have answered: from behind the header of its turn to the end of the turn.
std::optional<std::string> answer_with_call(const std::string& text) {
  const std::size_t question = text.find("1+2?");
  if (question == std::string::npos) return std::nullopt;
  const std::size_t result = text.find("21.5", question);
  const std::string round = text.substr(question, result - question);
  const std::size_t name = round.find("get_weather");
  if (name == std::string::npos || round.find("celsius", name) == std::string::npos) {
    return std::nullopt;
  }
  std::size_t begin = 0;
  for (const char* header : {"<|im_start|>assistant\n", "assistant<|end_header_id|>\n\n",
                             "<|CHATBOT_TOKEN|>", "<|assistant|>\n", "[/INST]", "Assistant\n",
                             "<｜Assistant｜>", "<|turn>model\n", "assistant<|end_of_role|>",
                             "assistant<|im_middle|>", "<|start|>assistant", "<assistant>"}) {
    const std::size_t found = round.find(header);
    if (found != std::string::npos && found < name) begin = found + std::string(header).size();
  }
  std::size_t end = std::string::npos;
  for (const char* turn_end : {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|END_OF_TURN_TOKEN|>",
                               "</s>", "<turn|>", "<｜end▁of▁sentence｜>", "<|end_of_text|>",
                               "</assistant>", "<|observation|>", "<|call|>", "<SPECIAL_12>"}) {
    end = std::min(end, round.find(turn_end, name));
  }
  return round.substr(begin, end - begin);
}

std::vector<AnswerTool> offered_tools() {
  const Json conversations = Json::parse(read_text(kGolden / "conversations.json"));
  std::vector<AnswerTool> tools;
  for (const Json& tool : conversations["tool_round"]["tools"]) {
    tools.push_back({.name = tool["function"]["name"].get<std::string>(),
                     .parameters = tool["function"]["parameters"].dump()});
  }
  return tools;
}

TEST(AnswerGolden, CallsThatTemplatesWriteAreReadBack) {
  SKIP_WITHOUT_GOLDEN();
  std::map<ToolNotation, int> read;
  for (const std::string& name : template_names()) {
    const std::optional<std::string> text = rendered(name, "tool_round");
    const std::optional<std::string> answer = text ? answer_with_call(*text) : std::nullopt;
    if (!answer) continue;
    SCOPED_TRACE(name + ": " + *answer);
    const AnswerStyle style = answer_style(template_source(name));
    ++read[style.tools];
    const bool closed_think = answer->find("</think>") < answer->find("get_weather") &&
                              answer->find("<think>") == std::string::npos;
    const tests::ReadAnswer result = tests::read_answer(
        {.style = style, .tools = offered_tools(), .prompt_end = closed_think ? "<think>" : ""},
        *answer);
    ASSERT_EQ(result.calls.size(), 1U);
    EXPECT_EQ(result.calls[0].name, "get_weather");
    EXPECT_EQ(Json::parse(result.calls[0].arguments),
              Json({{"location", "Zürich"}, {"unit", "celsius"}}));
    EXPECT_FALSE(result.calls[0].id.empty());
    EXPECT_EQ(result.content, "");
    EXPECT_EQ(result.reasoning, "");
  }
  EXPECT_GE(read.size(), 13U) << "notations whose calls the goldens show";
  for (const auto& [notation, count] : read) EXPECT_NE(notation, ToolNotation::kNone) << count;
}

TEST(AnswerGolden, EveryTemplateThatRendersToolsHasANotation) {
  SKIP_WITHOUT_GOLDEN();
  for (const std::string& name : template_names()) {
    const std::optional<std::string> text = rendered(name, "tools");
    if (!text) continue;
    const bool shows_tools = text->find("get_weather") != std::string::npos;
    const ToolNotation notation = answer_style(template_source(name)).tools;
    if (shows_tools) {
      EXPECT_NE(notation, ToolNotation::kNone) << name;
    }
    if (template_source(name).find("tool") == std::string::npos) {
      EXPECT_EQ(notation, ToolNotation::kNone) << name;
    }
  }
}

TEST(AnswerGolden, ReasoningThatThePromptOpensOrClosesIsKnown) {
  SKIP_WITHOUT_GOLDEN();
  int opened = 0;
  for (const std::string& name : template_names()) {
    const std::optional<std::string> text = rendered(name, "user");
    const AnswerStyle style = answer_style(template_source(name));
    if (!text || style.tools == ToolNotation::kHarmony) continue;
    const tests::ReadAnswer answer = tests::read_answer({.style = style, .prompt_end = *text},
                                                        "Hm.\n" + style.reasoning.close + "Hi");
    if (text->ends_with("<think>\n")) {
      ++opened;
      EXPECT_EQ(answer.reasoning, "Hm.") << name;
      EXPECT_EQ(answer.content, "Hi") << name;
    } else {
      EXPECT_EQ(answer.reasoning, "") << name;
    }
  }
  EXPECT_GE(opened, 3);
}

}  // namespace
}  // namespace redknot::chat
