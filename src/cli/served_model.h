// SPDX-License-Identifier: Apache-2.0
// A server of our own in a process of its own: `redknot serve` of this binary. `bench serve -m`
// owns one for the time of its load, and starts and stops it on the main thread. It owns the
// process, the pipe that its words come through, and a thread that reads them and forgets them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::cli {

// Move-only. Stopped when it goes away: asked to end, and ended after ten seconds. Not hurt by
// Ctrl-C, which is ours, and does not outlive this process.
class ServedModel {
 public:
  // Starts it on a free port and waits until it listens. kUnavailable if it ends before that, with
  // what it said last.
  static Result<ServedModel> start(const std::string& model,
                                   const std::vector<std::string>& serve_options);
  ServedModel(ServedModel&&) noexcept;
  ServedModel& operator=(ServedModel&&) noexcept;
  ~ServedModel();

  const std::string& url() const;  // "http://127.0.0.1:40123"
  int process() const;

 private:
  struct State;
  explicit ServedModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace redknot::cli
