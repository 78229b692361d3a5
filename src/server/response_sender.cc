// SPDX-License-Identifier: Apache-2.0
#include "server/response_sender.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "server/openai_writers.h"
#include "server/piece_feed.h"

namespace redknot::server {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// Proxies give up on connections that are silent for longer.
constexpr std::chrono::seconds kPingEvery{10};

// One answer while it is made.
struct Choice {
  std::optional<chat::AnswerParser> parser{};  // none: its text is content
  WholeAnswer whole{};
  std::vector<chat::TokenLogprobs> logprobs{};  // of what was not written yet
  std::optional<Clock::time_point> last_token{};
  bool ended = false;
};

class ResponseSender {
 public:
  ResponseSender(StartedRequest started, http::Exchange& exchange, Metrics& metrics,
                 UnderWay::Answer& self)
      : writer_(std::move(started.writer)),
        answers_(started.answers),
        streams_(started.stream),
        logprobs_(started.logprobs),
        one_call_(started.one_call),
        echoes_(std::move(started.echoes)),
        exchange_(exchange),
        metrics_(metrics),
        self_(self),
        choices_(started.generations.size()),
        feed_(exchange.executor(), std::move(started.generations)) {
    for (Choice& choice : choices_) {
      if (!started.parsers.empty()) choice.parser.emplace(started.parsers.front());
    }
    exchange_.on_gone([this] { feed_.wake(); });
    self_.on_cut(feed_.waker());
  }
  ResponseSender(const ResponseSender&) = delete;
  ResponseSender& operator=(const ResponseSender&) = delete;
  ~ResponseSender() { exchange_.on_gone(nullptr); }

  asio::awaitable<Outcome> run();

 private:
  // Whether the client is still there.
  asio::awaitable<bool> send(std::string bytes);
  asio::awaitable<bool> send_rest();
  std::string take_pieces();
  std::string take(std::size_t index, Piece piece);
  std::string speak(std::size_t index, chat::AnswerDelta delta);
  void end(std::size_t index, const Piece& piece);
  void count(std::size_t index, const char* finish);
  Usage usage() const;
  Outcome outcome();

  std::unique_ptr<ReplyWriter> writer_;
  int answers_;
  bool streams_;
  bool logprobs_;
  bool one_call_;
  std::vector<std::string> echoes_;
  http::Exchange& exchange_;
  Metrics& metrics_;
  UnderWay::Answer& self_;
  std::vector<Choice> choices_;
  PieceFeed feed_;
  bool head_sent_ = false;
  Clock::time_point last_sent_ = Clock::now();
  bool has_begun_ = false;  // the writer
  std::optional<ApiError> failed_;
  std::string finish_;
};

std::string ResponseSender::speak(std::size_t index, chat::AnswerDelta delta) {
  Choice& choice = choices_[index];
  if (one_call_) {
    std::erase_if(delta.calls, [](const chat::ToolCallDelta& call) { return call.index > 0; });
  }
  choice.whole.add(delta);
  if (!streams_) return {};
  std::string out;
  if (!has_begun_) {
    has_begun_ = true;
    out = writer_->begin(usage());
    for (std::size_t i = 0; i < choices_.size() && !echoes_.empty(); ++i) {
      const chat::AnswerDelta echo{.content = echoes_[i / static_cast<std::size_t>(answers_)]};
      out += writer_->delta(static_cast<int>(i), echo, {});
    }
  }
  out += writer_->delta(static_cast<int>(index), delta, choice.logprobs);
  choice.logprobs.clear();
  // What was said need not be kept.
  choice.whole.delta = {};
  return out;
}

std::string ResponseSender::take(std::size_t index, Piece piece) {
  Choice& choice = choices_[index];
  const bool last = piece.finish != FinishReason::kNone;
  if (piece.finish == FinishReason::kError) {
    const auto& error = feed_.generation(index).error();
    failed_ = api_error(error ? *error : Error(ErrorCode::kCancelled, "the answer was cut"));
    return {};
  }
  if (piece.token >= 0) {
    const auto now = Clock::now();
    if (choice.last_token) {
      metrics_.add_inter_token(std::chrono::duration<double>(now - *choice.last_token).count());
    }
    choice.last_token = now;
  }
  if (logprobs_ && piece.probability) {
    chat::TokenLogprobs token{.token = *piece.probability, .top = std::move(piece.top)};
    if (!streams_) choice.whole.logprobs.push_back(token);
    if (streams_) choice.logprobs.push_back(std::move(token));
  }
  chat::AnswerDelta delta{.content = piece.text};
  if (choice.parser) delta = choice.parser->read(piece.text);
  std::string out = speak(index, delta);
  if (last && choice.parser) out += speak(index, choice.parser->finish());
  if (!last) return out;
  end(index, piece);
  if (streams_) {
    out += writer_->end(static_cast<int>(index), choice.whole.end, choice.whole.stopped_by);
  }
  return out;
}

void ResponseSender::end(std::size_t index, const Piece& piece) {
  Choice& choice = choices_[index];
  choice.ended = true;
  choice.whole.end = chat::answer_end(piece, choice.parser && choice.parser->calls() > 0);
  choice.whole.stopped_by = piece.stopped_by;
  finish_ = finish_reason(choice.whole.end);
  count(index, finish_.c_str());
}

void ResponseSender::count(std::size_t index, const char* finish) {
  const Usage usage = feed_.generation(index).usage();
  metrics_.add_answer({.queue_seconds = usage.queue_seconds,
                       .ttft_seconds = usage.prompt_seconds,
                       .e2e_seconds = usage.prompt_seconds + usage.generation_seconds,
                       .finish = finish,
                       .generated_tokens = usage.generated_tokens});
}

Usage ResponseSender::usage() const {
  std::vector<Usage> by_prompt;
  const auto answers = static_cast<std::size_t>(answers_);
  by_prompt.reserve(choices_.size() / answers);
  for (std::size_t first = 0; first < choices_.size(); first += answers) {
    std::vector<Usage> of_prompt;
    of_prompt.reserve(answers);
    for (std::size_t i = 0; i < answers; ++i) {
      of_prompt.push_back(feed_.generation(first + i).usage());
    }
    by_prompt.push_back(combined_usage(of_prompt));
  }
  return summed_usage(by_prompt);
}

// All that is at hand, so that it leaves in one write.
std::string ResponseSender::take_pieces() {
  std::string out;
  while (!failed_) {
    std::optional<PieceFeed::Item> item = feed_.take();
    if (!item) break;
    out += take(item->index, std::move(item->piece));
  }
  return out;
}

asio::awaitable<bool> ResponseSender::send(std::string bytes) {
  last_sent_ = Clock::now();
  if (head_sent_) {
    if (bytes.empty()) co_return true;
    const bool written = co_await exchange_.write(std::move(bytes));
    co_return written;
  }
  head_sent_ = true;
  http::Reply head{.content_type = "text/event-stream; charset=utf-8",
                   .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}},
                   .body = std::move(bytes)};
  const bool written = co_await exchange_.begin_stream(std::move(head));
  co_return written;
}

// Behind the last piece.
asio::awaitable<bool> ResponseSender::send_rest() {
  if (!streams_) {
    std::vector<WholeAnswer> choices;
    choices.reserve(choices_.size());
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      choices.push_back(std::move(choices_[i].whole));
      if (echoes_.empty()) continue;
      std::string& content = choices.back().delta.content;
      content.insert(0, echoes_[i / static_cast<std::size_t>(answers_)]);
    }
    http::Reply reply{.body = writer_->whole(choices, usage())};
    const bool written = co_await exchange_.reply(std::move(reply));
    co_return written;
  }
  std::string rest = failed_ ? writer_->error(*failed_) : writer_->finish(usage());
  const bool sent = co_await send(std::move(rest));
  if (!sent) co_return false;
  const bool ended = co_await exchange_.end_stream();
  co_return ended;
}

Outcome ResponseSender::outcome() {
  const Usage used = usage();
  const Usage first = feed_.generation(0).usage();  // whose times are those of the request
  Outcome out;
  out.tokens = {.prompt_tokens = used.prompt_tokens,
                .generated_tokens = used.generated_tokens,
                .exact_tokens = used.prefix_tokens,
                .adopted_tokens = used.adopted_tokens,
                .recovered_tokens = used.recovered_tokens,
                .new_tokens = used.new_tokens,
                .queue_seconds = first.queue_seconds,
                .ttft_seconds = first.prompt_seconds,
                .finish = finish_};
  const bool gone = exchange_.gone();
  if (failed_ || gone) out.tokens.finish = failed_ ? "error" : "abort";
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    if (!choices_[i].ended) count(i, failed_ ? "error" : "abort");
  }
  if (gone) out.status = 499;  // nginx's number for a client that left
  out.failed = failed_;
  out.is_refused = failed_ && !head_sent_;
  return out;
}

asio::awaitable<Outcome> ResponseSender::run() {
  bool there = true;
  if (streams_ && !exchange_.claim_stream()) {
    failed_ = {.status = 503,
               .message = "too many streams at a time",
               .code = "too_many_streams",
               .type = "server_error"};
  }
  while (there && !failed_ && !feed_.ended()) {
    co_await feed_.wait(kPingEvery);
    std::string bytes = take_pieces();
    if (exchange_.gone()) there = false;
    if (self_.is_cut() && !failed_ && !feed_.ended()) failed_ = ending_error();
    if (!streams_ || !there) continue;
    const bool silent = Clock::now() - last_sent_ >= kPingEvery;
    if (bytes.empty() && silent && head_sent_) bytes = writer_->ping();
    if (bytes.empty() && !silent) continue;
    if (failed_ && !head_sent_) continue;
    there = co_await send(std::move(bytes));
  }
  const bool refused = failed_ && !head_sent_;
  if (there && !refused) co_await send_rest();
  co_return outcome();
}

}  // namespace

asio::awaitable<Outcome> send_response(StartedRequest started, http::Exchange& exchange,
                                       Metrics& metrics, UnderWay::Answer& self) {
  ResponseSender answering(std::move(started), exchange, metrics, self);
  Outcome outcome = co_await answering.run();
  co_return outcome;
}

}  // namespace redknot::server
