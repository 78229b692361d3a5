// SPDX-License-Identifier: Apache-2.0
// Bodies of all requests for text: whatever comes, it is read or refused.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "chat/reusable_marks.h"
#include "chat/template_input.h"
#include "server/api_error.h"
#include "server/read_chat.h"
#include "server/read_completion.h"
#include "server/read_messages.h"
#include "server/read_tokenize.h"

namespace {

using namespace redknot::chat;
using namespace redknot::server;

// What was read can be given to a template, with marks and without.
void write_input(const ChatRequest& request) {
  static const SpecialTexts specials({"<s>", "<|end|>"});
  TemplateFrame frame{.specials = specials, .bos_text = "<s>", .eos_text = "<|end|>"};
  const TemplateInput plain = template_input(request, frame);
  const auto marks = ReusableMarks::choose(static_cast<int>(plain.places.size()),
                                           private_characters(dump_json(plain.variables)));
  if (!marks) return;
  const std::vector<bool> enabled(plain.places.size(), true);
  frame.marks = &*marks;
  frame.enabled = &enabled;
  const TemplateInput marked = template_input(request, frame);
  const MarkedRuns runs = marks->split(dump_json(marked.variables));
  REDKNOT_CHECK(runs.joined == dump_json(plain.variables));
}

template <typename T>
void check_refusal(const Read<T>& read) {
  if (read.ok()) return;
  const ApiError error = api_error(read.error());
  REDKNOT_CHECK(error.status == 400 && !error.message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  ReadContext context;
  context.find_segment = [](const std::string& id) {
    return id.empty() ? std::nullopt : std::optional<std::string>("text of " + id);
  };
  const auto chat = read_chat(body, context);
  check_refusal(chat);
  if (chat.ok()) write_input(*chat);
  const auto messages = read_messages(body, context);
  check_refusal(messages);
  if (messages.ok()) write_input(*messages);
  check_refusal(read_completion(body, context));
  check_refusal(read_tokenize(body, context));
  check_refusal(read_detokenize(body));
  return 0;
}
