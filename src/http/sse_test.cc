// SPDX-License-Identifier: Apache-2.0
#include "http/sse.h"

#include <gtest/gtest.h>

#include <string>

namespace redknot::http {
namespace {

constexpr std::string_view kText =
    "\xef\xbb\xbf: a comment\r\ndata: one\r\n\r\n"
    "event: ping\rid: 7\rretry: 10\rdata:two\rdata: lines\r\r"
    "data\n\nevent: nothing\n\nunknown: field\ndata:  spaced\n\ndata: [DONE]\n\ndata: cut";

std::string say(const std::vector<SseEvent>& events) {
  std::string out;
  for (const SseEvent& event : events) out += event.type + "=" + event.data + ";";
  return out;
}

constexpr std::string_view kEvents =
    "message=one;ping=two\nlines;message=;message= spaced;message=[DONE];";

TEST(SseReader, ReadsAllLineEndsAndFields) {
  SseReader reader;
  EXPECT_EQ(say(*reader.put(kText)), kEvents);
}

TEST(SseReader, CutsAnywhereMakeNoDifference) {
  for (std::size_t first = 0; first < kText.size(); ++first) {
    SseReader reader;
    std::string all = say(*reader.put(kText.substr(0, first)));
    all += say(*reader.put(kText.substr(first)));
    EXPECT_EQ(all, kEvents) << first;
  }
  SseReader reader;
  std::string all;
  for (std::size_t i = 0; i < kText.size(); ++i) all += say(*reader.put(kText.substr(i, 1)));
  EXPECT_EQ(all, kEvents);
}

TEST(SseReader, RefusesEventsBeyondTheLimit) {
  SseReader line(100);
  EXPECT_FALSE(line.put("data: " + std::string(101, 'x')).ok());
  SseReader lines(100);
  std::string text;
  for (int i = 0; i < 30; ++i) text += "data: abcdef\n";
  EXPECT_FALSE(lines.put(text).ok());
}

}  // namespace
}  // namespace redknot::http
