// SPDX-License-Identifier: Apache-2.0
// What `redknot bench --svg` and `redknot bench serve --svg` draw. Pure functions, but for the one
// that reads a file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::cli {

// One line of `redknot bench`: tokens per second.
struct MeasuredSpeed {
  bool decode = false;
  int tokens = 0;
  int depth = 0;
  std::string kv{};
  double median = 0, slowest = 0, fastest = 0;
};

// Speed against context: a panel for each length of prefill or decode, a line for each KV format.
// Points are medians, bars the slowest and the fastest run.
std::string speed_picture(const std::vector<MeasuredSpeed>& speeds);

// One run of `redknot bench serve`.
struct ServedLoad {
  int requests = 0;
  double output_tokens_per_s = 0;
  std::vector<double> ttft_ms{};  // of the requests that were answered
};

// Runs that are one line of a picture.
struct NamedLoads {
  std::string name{};
  std::vector<ServedLoad> loads{};
};

// From a file of `redknot bench serve --json`. Errors begin with "read FILE".
Result<ServedLoad> read_served_load(const std::filesystem::path& path);

// Answers' tokens per second against the requests of a run, runs with the same number of requests
// being one point, whose median is drawn; and which share of the requests had its first token
// within a time.
std::string serving_picture(const std::vector<NamedLoads>& lines);

}  // namespace redknot::cli
