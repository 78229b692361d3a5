// SPDX-License-Identifier: Apache-2.0
#include "http/answer_head.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "http/refusal.h"
#include "http/response_parser.h"

namespace redknot::http {
namespace {

ResponseHead read(const std::string& head) {
  ResponseParser parser(/*to_head=*/true);
  EXPECT_TRUE(parser.put(head).ok()) << head;
  EXPECT_TRUE(parser.header_done()) << head;
  return parser.head();
}

TEST(AnswerHead, ValuesCannotBeginAnotherHeader) {
  Reply reply;
  reply.content_type = "text/plain\r\nX-A: 1";
  reply.headers = {{"X-Reason", "a\r\nX-B: 2\r\n\r\nbody"}, {"X bad\r\nX-C", "3"}, {"", "4"}};
  const ResponseHead head = read(answer_head(reply, {}, {.length = 0, .request_id = "i"}));
  for (const char* name : {"x-a", "x-b", "x-c"}) EXPECT_EQ(head.header(name), "") << name;
  EXPECT_EQ(head.header("x-reason"), "a  X-B: 2    body");
}

TEST(AnswerHead, WhatItWritesItselfIsThereOnce) {
  Reply reply;
  reply.headers = {{"Content-Length", "7"}, {"transfer-encoding", "x"}, {"Connection", "x"}};
  const ResponseHead head =
      read(answer_head(reply, {{"Vary", "Origin"}}, {.keep_alive = false, .length = 5}));
  EXPECT_EQ(head.header("content-length"), "5");
  EXPECT_EQ(head.header("transfer-encoding"), "");
  EXPECT_EQ(head.header("connection"), "close");
  EXPECT_EQ(head.header("vary"), "Origin");
  EXPECT_EQ(head.header("date").size(), 29u);
}

TEST(AnswerHead, StatusesWithoutABodyHaveNoLength) {
  Reply reply;
  reply.status = 204;
  EXPECT_EQ(read(answer_head(reply, {}, {.length = 0})).header("content-length"), "");
  reply.status = 9999;
  EXPECT_EQ(read(answer_head(reply, {}, {.length = 0})).status, 500);
}

TEST(RequestId, KeepsWhatIsFitToPrint) {
  EXPECT_EQ(request_id("Ab-1_2.3:4/5+6=7@8"), "Ab-1_2.3:4/5+6=7@8");
  std::set<std::string> made;
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a\"b"),
                                 std::string("\xc3\xa4"), std::string(129, 'a')}) {
    const std::string id = request_id(bad);
    EXPECT_EQ(id.size(), 20u);
    made.insert(id);
  }
  EXPECT_EQ(made.size(), 5u);
}

TEST(ErrorReply, IsJsonWhateverTheMessage) {
  const Reply reply =
      error_reply({.status = 503, .message = "a\"b\\c\n\xff", .code = "overloaded"});
  EXPECT_EQ(reply.body,
            "{\"error\":{\"message\":\"a\\\"b\\\\c??\",\"type\":\"server_error\","
            "\"param\":null,\"code\":\"overloaded\"}}");
  EXPECT_EQ(reply.status, 503);
}

}  // namespace
}  // namespace redknot::http
