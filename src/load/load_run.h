// SPDX-License-Identifier: Apache-2.0
// Sends a workload to a server, open loop: a request goes out when it arrives, however many have
// not been answered yet, and its times count from its arrival.
//
// `bench serve` owns the LoadRun. One thread, that of run(), carries all connections as coroutines;
// only stop() may be called from others.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "load/address.h"
#include "load/agreement.h"
#include "load/answer.h"
#include "load/bystander_counts.h"
#include "load/prompt_body.h"
#include "load/workload.h"
#include "redknot/result.h"

namespace redknot::load {

struct LoadOptions {
  Address server{};
  std::string api_key{};
  PromptOptions prompts{};   // an empty model: the server's first
  int max_concurrency = 0;   // requests under way; later ones wait, which is charged. 0: no limit
  double duration_s = 0;     // what arrives later is not sent; 0: all is
  double timeout_s = 600;    // of one request
  int idle_connections = 0;  // beside the load
  int slow_readers = 0;
  int slow_reader_tokens = 16;
  bool check = false;  // ask every prompt again, alone and without reuse, and compare
};

enum class LoadPhase {
  kFirstSights,  // done of `due` prompts of Workload::first_sights are answered
  kLoad,
  kCheck,  // the load is over: done of `due` answers are compared
};

struct LoadProgress {
  LoadPhase phase = LoadPhase::kLoad;
  double at_s = 0;
  int due = 0;  // requests in all
  int sent = 0;
  int done = 0;  // completed or failed
  int failed = 0;
  int running = 0;
};

struct LoadResult {
  std::string model{};
  std::optional<double> tokens_per_word{};  // as the server's /tokenize counts, if it has one
  std::vector<Answer> answers{};            // in the order they ended
  int unsent = 0;        // arrived after the duration, or not before the run was stopped
  int cut_off = 0;       // under way when the run was stopped
  int peak_streams = 0;  // most requests under way at a time, as seen from here
  std::optional<double> peak_running{};  // most the server ran at a time, by its /metrics
  std::optional<double> preemptions{};
  BystanderCounts bystanders{};  // at the end
  std::optional<Agreement> agreement{};
  int unchecked = 0;     // completed, but without an exact run to compare with
  int unknown_sets = 0;  // prompts of Workload::first_sights that failed
};

class LoadRun {
 public:
  LoadRun(Workload workload, LoadOptions options,
          std::function<void(const LoadProgress&)> progress);
  LoadRun(const LoadRun&) = delete;
  LoadRun& operator=(const LoadRun&) = delete;
  ~LoadRun();

  // Once. Returns when all is answered, or soon after stop(). kUnavailable if the server cannot be
  // asked at all; failures of single requests are in their answers. `progress` is called on this
  // thread once a second.
  Result<LoadResult> run();
  // From any thread.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace redknot::load
