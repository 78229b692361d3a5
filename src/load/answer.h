// SPDX-License-Identifier: Apache-2.0
// What became of one request: its times, its tokens, its text.
//
// Times are seconds since the start of the load. AnswerReader takes the server-sent events of an
// OpenAI stream as they come; it belongs to the coroutine that reads the stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "redknot/result.h"

namespace redknot::load {

// One event with text.
struct AnswerEvent {
  double at_s = 0;
  int tokens = 1;
  std::size_t text_end = 0;  // bytes of the answer's text up to and with this event
};

// usage.redknot
struct ReuseTokens {
  std::int64_t exact_tokens = 0;
  std::int64_t adopted_tokens = 0;
  std::int64_t recovered_tokens = 0;
  std::int64_t new_tokens = 0;
};

struct Answer {
  int conversation = 0;
  int turn = 0;
  double scheduled_s = 0;  // when it arrived
  double sent_s = 0;       // later, where a limit of concurrency held it back
  double end_s = 0;        // the last byte, or the failure
  std::vector<AnswerEvent> events{};
  std::string text{};
  std::string expected{};  // the workload's answer, where it is known
  std::string finish_reason{};
  bool has_usage = false;
  int prompt_tokens = 0;  // as the server counts, like the next three
  int output_tokens = 0;  // the events' tokens if it does not say
  int cached_tokens = 0;
  bool has_reuse = false;
  ReuseTokens reuse{};
  // Empty if all is well; else what went wrong in few words to count by ("HTTP 429", "connect"),
  // and in the server's or system's words.
  std::string failure{};
  std::string cause{};

  bool ok() const { return failure.empty(); }
  double ttft_s() const { return events.front().at_s - scheduled_s; }  // requires events
  double e2e_s() const { return end_s - scheduled_s; }
  // Mean time between tokens; 0 with less than two tokens.
  double mean_itl_s() const;
};

class AnswerReader {
 public:
  // The data of one event. Once done() or failed, more is ignored.
  void take(std::string_view data, double at_s);
  bool done() const { return done_; }

  // The stream is over. An answer without the stream's "[DONE]" has failed ("cut short").
  Answer finish(double end_s);

 private:
  void fail(std::string failure, std::string cause);

  Answer answer_;
  std::int64_t counted_tokens_ = 0;  // by usage in the middle of the stream
  bool events_are_counted_ = false;
  bool done_ = false;
};

// Gives the tokens that were counted at the end, but not event by event, to the events that hold
// the most bytes a token. Nothing changes if there are less of them than events.
void spread_tokens(std::vector<AnswerEvent>& events, int tokens);

// The words of an error's body: error.message of OpenAI's errors, else the body's beginning.
std::string error_message(std::string_view body);

}  // namespace redknot::load
