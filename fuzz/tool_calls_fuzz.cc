// SPDX-License-Identifier: Apache-2.0
// Answers of models. The first byte chooses the notation, the second where to cut; whole or in two
// pieces, an answer says the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "chat/answer_parser.h"

namespace {

using namespace redknot::chat;

struct Told {
  std::string content, reasoning, calls;
  bool operator==(const Told&) const = default;
};

void add(const AnswerDelta& delta, Told& told) {
  told.content += delta.content;
  told.reasoning += delta.reasoning;
  for (const ToolCallDelta& call : delta.calls) told.calls += call.name + call.arguments;
}

Told told(const ParserOptions& options, std::string_view text, std::size_t cut) {
  AnswerParser parser(options);
  Told all;
  add(parser.read(text.substr(0, cut)), all);
  add(parser.read(text.substr(cut)), all);
  add(parser.finish(), all);
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr int kNotations = static_cast<int>(ToolNotation::kHarmony) + 1;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  const ParserOptions options = {
      .style = {.tools = static_cast<ToolNotation>(data[0] % kNotations)},
      .tools = {{.name = "weather", .parameters = R"({"properties": {"city": {"type": "string"},
                                                  "days": {"type": ["integer", "null"]}}})"},
                {.name = "now"}},
      .prompt_end = data[0] >= 128 ? "<think>" : "",
      .special = std::make_shared<const MarkerSet>(std::vector<std::string>{"<|im_end|>", "</s>"}),
      .seed = 1};
  const std::size_t cut = text.empty() ? 0 : data[1] % text.size();
  REDKNOT_CHECK(told(options, text, text.size()) == told(options, text, cut));
  return 0;
}
