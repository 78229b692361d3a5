// SPDX-License-Identifier: Apache-2.0
// A chat template, and behind a zero byte its variables as JSON.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "redknot/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\0'), size);
  const redknot::ChatTemplateLimits limits = {.steps = 100'000,
                                              .depth = 100,
                                              .output_bytes = 1 << 16,
                                              .memory_bytes = 1 << 22,
                                              .source_bytes = 1 << 16};
  const auto program = redknot::ChatTemplate::parse(text.substr(0, end), limits);
  if (!program.ok()) return 0;
  const std::string_view variables = end < size ? text.substr(end + 1) : "{}";
  const auto first = program->render(variables, 1'700'000'000);
  const auto second = program->render(variables, 1'700'000'000);
  if (first.ok() != second.ok() || (first.ok() && *first != *second)) std::abort();
  if (first.ok() && first->size() > limits.output_bytes) std::abort();
  return 0;
}
