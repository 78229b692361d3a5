// SPDX-License-Identifier: Apache-2.0
#include "chat/marker_set.h"

#include <gtest/gtest.h>

namespace redknot::chat {
namespace {

TEST(MarkerSet, FindsTheLongestMarkerThatTextBeginsWith) {
  const MarkerSet markers({"<a>", "<a>b", "<ab", "", "<a>", "é"});
  EXPECT_EQ(markers.match("<a>x").length, 3U);
  EXPECT_FALSE(markers.match("<a>x").open);
  EXPECT_EQ(markers.match("<a>b").length, 4U);
  EXPECT_EQ(markers.match("<abc").length, 3U);
  EXPECT_EQ(markers.match("é").length, 2U);
  EXPECT_EQ(markers.match("x<a>").length, 0U);
  EXPECT_EQ(markers.match("<b").length, 0U);
  EXPECT_FALSE(markers.match("<b").open);
}

TEST(MarkerSet, SaysWhereAMarkerMayStillCome) {
  const MarkerSet markers({"<a>", "<a>b"});
  EXPECT_TRUE(markers.match("").open);
  EXPECT_TRUE(markers.match("<").open);
  EXPECT_TRUE(markers.match("<a").open);
  EXPECT_TRUE(markers.match("<a>").open);
  EXPECT_EQ(markers.match("<a>").length, 3U);
  EXPECT_FALSE(markers.match("<a>b").open);
}

TEST(MarkerSet, WithoutMarkersNothingMatches) {
  EXPECT_TRUE(MarkerSet().empty());
  EXPECT_EQ(MarkerSet({""}).match("<").length, 0U);
  EXPECT_FALSE(MarkerSet().match("").open);
}

}  // namespace
}  // namespace redknot::chat
