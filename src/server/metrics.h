// SPDX-License-Identifier: Apache-2.0
// What /metrics says, in Prometheus' text format. Names are in the manner of vLLM's, with
// "redknot:" in front.
//
// The Service owns the one Metrics object and counts requests in it; ResponseSender counts answers
// and the times between tokens. All functions may be called from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "redknot/redknot.h"

namespace redknot::server {

// How one answer went.
struct AnswerTimes {
  double queue_seconds = 0;  // from submission to the first step
  double ttft_seconds = 0;   // from submission to the first token
  double e2e_seconds = 0;    // from submission to the last token
  std::string finish{};      // "stop", "length", "tool_calls", "abort", "error"
  int generated_tokens = 0;
};

class Metrics {
 public:
  explicit Metrics(const std::string& model_name);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  ~Metrics();

  void add_answer(const AnswerTimes& times);
  // Between two tokens of an answer.
  void add_inter_token(double seconds);
  // `route` is a pattern ("/v1/segments/{id}"), never what the client wrote.
  void add_request(const std::string& route, int status);

  // All of it; `stats` is the engine's at this time.
  std::string text(const Stats& stats);

 private:
  struct Families;
  std::unique_ptr<Families> families_;
  std::mutex mutex_;  // guards what was taken from earlier stats
};

}  // namespace redknot::server
