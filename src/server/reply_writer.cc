// SPDX-License-Identifier: Apache-2.0
#include "server/reply_writer.h"

#include <utility>

#include "server/messages_writer.h"
#include "server/openai_writers.h"

namespace redknot::server {
namespace {

// What chats and completions have in common; Writer is theirs.
template <typename Writer>
class OpenAiReply : public ReplyWriter {
 public:
  std::string end(int choice, chat::AnswerEnd end, const std::string&) override {
    return writer_.end_chunk(choice, end);
  }
  std::string finish(const Usage& usage) override {
    return (include_usage_ ? writer_.usage_chunk(usage) : "") + std::string(kStreamEnd);
  }
  std::string error(const ApiError& error) override {
    return openai_error_chunk(error) + std::string(kStreamEnd);
  }
  std::string ping() override { return ": still here\n\n"; }
  std::string whole(std::span<const WholeAnswer> choices, const Usage& usage) override {
    return writer_.whole(choices, usage);
  }

 protected:
  OpenAiReply(AnswerHead head, bool logprobs, bool include_usage)
      : writer_(std::move(head), logprobs, include_usage), include_usage_(include_usage) {}

  Writer writer_;

 private:
  bool include_usage_;
};

class ChatReply : public OpenAiReply<ChatWriter> {
 public:
  ChatReply(AnswerHead head, const chat::ChatRequest& request)
      : OpenAiReply(std::move(head), request.logprobs, request.options.include_usage),
        choices_(request.options.answers) {}

  std::string begin(const Usage&) override {
    std::string out;
    for (int choice = 0; choice < choices_; ++choice) out += writer_.first_chunk(choice);
    return out;
  }
  std::string delta(int choice, const chat::AnswerDelta& delta,
                    std::span<const chat::TokenLogprobs> tokens) override {
    return writer_.delta_chunk(choice, delta, tokens);
  }

 private:
  int choices_;
};

class CompletionReply : public OpenAiReply<CompletionWriter> {
 public:
  CompletionReply(AnswerHead head, const CompletionRequest& request)
      : OpenAiReply(std::move(head), request.logprobs, request.options.include_usage) {}

  std::string begin(const Usage&) override { return {}; }
  std::string delta(int choice, const chat::AnswerDelta& delta,
                    std::span<const chat::TokenLogprobs> tokens) override {
    return writer_.delta_chunk(choice, delta.content, tokens);
  }
};

class MessagesReply : public ReplyWriter {
 public:
  MessagesReply(AnswerHead head, const chat::ChatRequest& request, std::string request_id)
      : writer_(std::move(head), request.show_reasoning), request_id_(std::move(request_id)) {}

  std::string begin(const Usage& usage) override { return writer_.begin(usage); }
  std::string delta(int, const chat::AnswerDelta& delta,
                    std::span<const chat::TokenLogprobs>) override {
    return writer_.delta(delta);
  }
  // Its last word has usage too.
  std::string end(int, chat::AnswerEnd end, const std::string& stopped_by) override {
    end_ = end;
    stopped_by_ = stopped_by;
    return {};
  }
  std::string finish(const Usage& usage) override { return writer_.end(end_, stopped_by_, usage); }
  std::string error(const ApiError& error) override {
    return MessagesWriter::error(error, request_id_);
  }
  std::string ping() override { return MessagesWriter::ping(); }
  std::string whole(std::span<const WholeAnswer> choices, const Usage& usage) override {
    return writer_.whole(choices.front(), usage);
  }

 private:
  MessagesWriter writer_;
  std::string request_id_;
  chat::AnswerEnd end_ = chat::AnswerEnd::kStop;
  std::string stopped_by_;
};

}  // namespace

std::unique_ptr<ReplyWriter> chat_writer(AnswerHead head, const chat::ChatRequest& request) {
  return std::make_unique<ChatReply>(std::move(head), request);
}

std::unique_ptr<ReplyWriter> completion_writer(AnswerHead head, const CompletionRequest& request) {
  return std::make_unique<CompletionReply>(std::move(head), request);
}

std::unique_ptr<ReplyWriter> messages_writer(AnswerHead head, const chat::ChatRequest& request,
                                             const std::string& request_id) {
  return std::make_unique<MessagesReply>(std::move(head), request, request_id);
}

}  // namespace redknot::server
