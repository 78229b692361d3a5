// SPDX-License-Identifier: Apache-2.0
#include "profiler/work_estimate.h"

#include <algorithm>
#include <utility>

namespace redknot {
namespace {

// What a unit takes, about, against one of the first kind, as long as none was done: tokens of
// short texts see less, those behind a long one see all of it and are all compared.
constexpr std::array<double, kWorkKinds> kTaken = {1.0, 0.8, 1.6, 0.9, 0.9};

}  // namespace

void WorkEstimate::done(WorkKind kind, double units, double seconds) {
  of(kind).units += units;
  of(kind).seconds += seconds;
  skip(kind, units);
}

void WorkEstimate::skip(WorkKind kind, double units) {
  of(kind).to_come = std::max(0.0, of(kind).to_come - units);
}

double WorkEstimate::seconds_per_unit(std::size_t kind) const {
  if (kinds_[kind].units > 0) return kinds_[kind].seconds / kinds_[kind].units;
  double seconds = 0, units = 0;  // of other kinds, as if of the first
  for (std::size_t other = 0; other < kWorkKinds; ++other) {
    seconds += kinds_[other].seconds;
    units += kinds_[other].units * kTaken[other];
  }
  return units > 0 ? seconds / units * kTaken[kind] : 0;
}

double WorkEstimate::seconds_left() const {
  double left = 0;
  for (std::size_t kind = 0; kind < kWorkKinds; ++kind) {
    left += kinds_[kind].to_come * seconds_per_unit(kind);
  }
  return left;
}

double WorkEstimate::fraction() const {
  double seconds = 0;
  for (const Kind& kind : kinds_) seconds += kind.seconds;
  return seconds > 0 ? seconds / (seconds + seconds_left()) : 0;
}

void WorkClock::begin(std::string activity) {
  activity_ = std::move(activity);
  last_ = Clock::now();
  report();
}

void WorkClock::done(WorkKind kind, std::size_t tokens) {
  const Clock::time_point now = Clock::now();
  work_.done(kind, static_cast<double>(tokens), std::chrono::duration<double>(now - last_).count());
  last_ = now;
  report();
}

void WorkClock::report() const {
  if (progress_) progress_(activity_, work_.fraction());
}

}  // namespace redknot
