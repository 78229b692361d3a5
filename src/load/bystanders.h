// SPDX-License-Identifier: Apache-2.0
// Connections beside the load that should not disturb it: some send nothing, some ask for a stream
// and take a byte a second.
//
// The LoadRun owns them, gathers them before the load begins and reads their counts when it is
// over. They run on the load's thread, and end with its io_context.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "load/address.h"
#include "load/bystander_counts.h"

namespace redknot::load {

struct BystanderOptions {
  int idle_connections = 0;
  int slow_readers = 0;
  std::string slow_path{};  // what slow readers ask
  std::string slow_body{};
  std::string api_key{};
};

class Bystanders {
 public:
  Bystanders(const boost::asio::any_io_executor& executor, Address address,
             BystanderOptions options);
  ~Bystanders();

  // Connects them all; returns when every slow reader has the first byte of its answer, or is lost,
  // at most two minutes later.
  boost::asio::awaitable<void> gather();
  BystanderCounts counts() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace redknot::load
