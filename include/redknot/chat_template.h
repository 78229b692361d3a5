// SPDX-License-Identifier: Apache-2.0
// Chat templates: the Jinja programs in model files that turn messages into a prompt.
//
// A sandboxed subset of Jinja2 as Hugging Face sets it up: loops, conditions, macros, call blocks,
// filters, tests, namespaces and the methods that templates of published models use. A program
// cannot reach anything but the variables it is given, and is bounded in steps, depth, memory and
// output, so templates may come from strangers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "redknot/result.h"

namespace redknot {

struct ChatTemplateLimits {
  std::uint64_t steps = 20'000'000;  // expressions and statements that are evaluated
  int depth = 256;  // of nested statements, expressions and calls together; of lists in lists
  std::size_t output_bytes = std::size_t{256} << 20;  // and of any string on the way
  std::size_t memory_bytes = std::size_t{1} << 30;    // of all values at one time, about
  std::size_t source_bytes = std::size_t{1} << 20;
};

// A value; copies share what was parsed. Any thread.
class ChatTemplate {
 public:
  struct Program;  // the library's own

  // kInvalidArgument naming line and cause; kUnsupported naming the tag that is not part of the
  // subset; kResourceExhausted for a source that is too long or nested too deeply.
  static Result<ChatTemplate> parse(std::string_view source, const ChatTemplateLimits& limits = {});

  // `variables` is the text of a JSON object: messages, tools, documents, add_generation_prompt,
  // bos_token, eos_token and whatever else the program may ask for; what is missing is undefined.
  // strftime_now(format), local time, is there if `now_seconds`, of Unix time, is not negative.
  // kInvalidArgument with the line: what the program itself raised (raise_exception) or did wrong;
  // kUnsupported for a filter or test that there is not, where one is reached; kResourceExhausted
  // for a limit.
  Result<std::string> render(std::string_view variables, std::int64_t now_seconds) const;

  const std::string& source() const;

 private:
  explicit ChatTemplate(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace redknot
