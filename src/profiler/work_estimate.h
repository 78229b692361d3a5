// SPDX-License-Identifier: Apache-2.0
// How much of a piece of work is done, by the clock: work comes in kinds whose units take different
// times, which are learned as they are done. So the share that is done grows evenly, though nobody
// knows before how long the parts take. Profiling owns one and asks it from its thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>

#include "redknot/redknot.h"

namespace redknot {

// Units are tokens that pass the model.
enum class WorkKind : std::size_t { kDense, kShift, kEffects, kWhole, kValidation };
inline constexpr std::size_t kWorkKinds = 5;

class WorkEstimate {
 public:
  // There are so many units of a kind to come; may be said again when more is known.
  void expect(WorkKind kind, double units) { of(kind).to_come = units; }
  // So many were done, in so many seconds; they are no longer to come.
  void done(WorkKind kind, double units, double seconds);
  // So many turned out to be no work, or were found.
  void skip(WorkKind kind, double units);

  double seconds_left() const;
  // Of the seconds, those that have passed: 0 as long as nothing was done.
  double fraction() const;

 private:
  struct Kind {
    double to_come = 0;
    double units = 0, seconds = 0;  // done
  };
  Kind& of(WorkKind kind) { return kinds_[static_cast<std::size_t>(kind)]; }
  double seconds_per_unit(std::size_t kind) const;

  std::array<Kind, kWorkKinds> kinds_{};
};

// Takes the time between what is done, and shows the progress. It borrows the callback.
class WorkClock {
 public:
  explicit WorkClock(const Progress& progress) : progress_(progress) {}

  void begin(std::string activity);
  void done(WorkKind kind, std::size_t tokens);
  void expect(WorkKind kind, double tokens) { work_.expect(kind, tokens); }

 private:
  using Clock = std::chrono::steady_clock;
  void report() const;

  const Progress& progress_;
  WorkEstimate work_;
  std::string activity_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace redknot
