// SPDX-License-Identifier: Apache-2.0
#include "redknot/chat_template.h"

#include "base/error.h"
#include "jinja/interpreter.h"
#include "jinja/parser.h"

namespace redknot {

struct ChatTemplate::Program {
  std::string source;
  ChatTemplateLimits limits;
  jinja::Tree tree;
};

Result<ChatTemplate> ChatTemplate::parse(std::string_view source,
                                         const ChatTemplateLimits& limits) {
  if (source.size() > limits.source_bytes) {
    return exhausted("chat template: its source is longer than ", limits.source_bytes, " bytes");
  }
  auto tree = jinja::parse(source, limits.depth);
  if (!tree.ok()) return tree.error().within("chat template");
  return ChatTemplate(std::make_shared<const Program>(
      Program{.source = std::string(source), .limits = limits, .tree = *std::move(tree)}));
}

Result<std::string> ChatTemplate::render(std::string_view variables,
                                         std::int64_t now_seconds) const {
  jinja::Interpreter interpreter(program_->tree, program_->limits, now_seconds);
  auto text = interpreter.run(variables);
  if (!text.ok()) return text.error().within("chat template");
  return text;
}

const std::string& ChatTemplate::source() const { return program_->source; }

}  // namespace redknot
