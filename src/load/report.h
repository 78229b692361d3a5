// SPDX-License-Identifier: Apache-2.0
// What a load measured, in numbers: a pure function of its answers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "load/answer.h"
#include "load/statistics.h"

namespace redknot::load {

// What users would accept, in ms; 0: anything.
struct Objectives {
  double ttft_ms = 0;
  double itl_ms = 0;       // the mean over an answer's tokens
  double stall_ms = 1000;  // gaps between events beyond this are counted as stalls
};

struct Report {
  int requests = 0;  // that were due
  int completed = 0;
  std::map<std::string, int> failures{};        // kind: how many
  std::map<std::string, std::string> causes{};  // kind: the words of the first one
  double wall_s = 0;                            // from the first arrival to the last end
  std::int64_t prompt_tokens = 0;               // of completed answers, like all that follows
  std::int64_t output_tokens = 0;
  std::int64_t cached_tokens = 0;
  bool has_reuse = false;  // the server said usage.redknot
  ReuseTokens reuse{};
  double requests_per_s = 0;
  double output_tokens_per_s = 0;
  Summary ttft_ms{};  // from the scheduled arrival, like e2e_ms
  Summary itl_ms{};   // one value a token after the first; tokens of one event share its time
  Summary e2e_ms{};
  Summary waited_ms{};    // from the scheduled arrival until it was sent
  int good = 0;           // completed within the objectives
  double good_share = 0;  // of all requests that were due
  double good_per_s = 0;
  double longest_stall_ms = 0;
  int stalls = 0;
};

Report make_report(const std::vector<Answer>& answers, const Objectives& objectives);

}  // namespace redknot::load
