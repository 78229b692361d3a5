// SPDX-License-Identifier: Apache-2.0
// Files of a load, and what a server under load may say: streams, metrics, errors.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "load/answer.h"
#include "load/metrics_text.h"
#include "load/question_sets.h"
#include "load/trace.h"

namespace {

void check_trace(std::string_view text) {
  const auto trace = redknot::load::parse_trace(text);
  if (!trace.ok()) return;
  double before_ms = 0;
  for (const redknot::load::TraceRequest& request : *trace) {
    if (!(request.timestamp_ms >= before_ms)) std::abort();
    before_ms = request.timestamp_ms;
    if (request.input_tokens < 1 || request.output_tokens < 1) std::abort();
    const auto blocks = static_cast<int>(request.blocks.size());
    if (blocks * redknot::load::kTraceBlockTokens < request.input_tokens) std::abort();
  }
}

void check_questions(std::string_view text) {
  const auto sets = redknot::load::parse_question_sets(text);
  if (!sets.ok()) return;
  for (const redknot::load::QuestionSet& set : *sets) {
    if (set.documents.empty() || set.questions.empty()) std::abort();
    for (const auto& document : set.documents) {
      if (document->empty()) std::abort();
    }
  }
}

// Every line is the data of one event.
void check_answer(std::string_view text) {
  redknot::load::AnswerReader reader;
  double at_s = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    reader.take(text.substr(0, end), at_s += 1);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  const redknot::load::Answer answer = reader.finish(at_s);
  if (answer.ok() && answer.events.empty()) std::abort();
  std::size_t before = 0;
  for (const redknot::load::AnswerEvent& event : answer.events) {
    if (event.tokens < 0 || event.text_end < before) std::abort();
    before = event.text_end;
  }
  if (before > answer.text.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_trace(text);
  check_questions(text);
  check_answer(text);
  redknot::load::metric_value(text, "redknot:num_requests_running");
  redknot::load::error_message(text);
  return 0;
}
