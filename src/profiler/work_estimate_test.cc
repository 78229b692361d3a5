// SPDX-License-Identifier: Apache-2.0
#include "profiler/work_estimate.h"

#include <gtest/gtest.h>

namespace redknot {
namespace {

TEST(WorkEstimate, IsNothingBeforeAnythingIsDone) {
  WorkEstimate work;
  work.expect(WorkKind::kDense, 100);
  EXPECT_EQ(work.fraction(), 0);
}

// Kinds whose units take very different times: what is left is right as soon as each was met.
TEST(WorkEstimate, LearnsWhatUnitsTake) {
  WorkEstimate work;
  work.expect(WorkKind::kDense, 100);
  work.expect(WorkKind::kWhole, 50);
  work.done(WorkKind::kDense, 50, 5);
  EXPECT_NEAR(work.seconds_left(), 5 + 50 * 0.1 * 0.9, 1e-9);
  work.done(WorkKind::kDense, 50, 5);
  work.done(WorkKind::kWhole, 10, 40);
  EXPECT_NEAR(work.seconds_left(), 160, 1e-9);
  EXPECT_NEAR(work.fraction(), 50.0 / 210, 1e-9);
  work.skip(WorkKind::kWhole, 20);
  EXPECT_NEAR(work.seconds_left(), 80, 1e-9);
  work.expect(WorkKind::kWhole, 0);
  EXPECT_EQ(work.fraction(), 1);
}

TEST(WorkEstimate, MoreThanWasExpectedLeavesNothing) {
  WorkEstimate work;
  work.expect(WorkKind::kEffects, 1);
  work.done(WorkKind::kEffects, 5, 1);
  EXPECT_EQ(work.seconds_left(), 0);
}

}  // namespace
}  // namespace redknot
