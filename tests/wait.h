// SPDX-License-Identifier: Apache-2.0
// How tests wait: never without a limit of seconds, so that what does not come is a failure that
// says what was waited for, and not a test that hangs.
//
// What can be looked at is looked at again (becomes_true); what blocks by itself, such as join(),
// pop() and Generation::next(), stands under a TimeLimit. tools/tidy.py asks for it.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace redknot::tests {

// Far longer than anything takes on a machine that is busy with other things.
inline constexpr int kPatienceSeconds = 60;

// Whether `holds` returns true, now or within the time. It is called on this thread, at first as
// often as possible and later every millisecond.
[[nodiscard]] bool becomes_true(const std::function<bool()>& holds,
                                double seconds = kPatienceSeconds);

// Ends the process, which under ctest is one test, when it is not gone within the time; says then
// what took so long.
class TimeLimit {
 public:
  explicit TimeLimit(std::string what, double seconds = kPatienceSeconds);
  ~TimeLimit();
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  void watch(double seconds);

  const std::string what_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;  // guarded by mutex_
  std::thread watcher_;
};

}  // namespace redknot::tests
