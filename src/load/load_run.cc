// SPDX-License-Identifier: Apache-2.0
#include "load/load_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <unordered_map>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "base/mix_bits.h"
#include "load/bystanders.h"
#include "load/server_probe.h"
#include "load/slots.h"
#include "load/stream_request.h"

namespace redknot::load {

namespace asio = boost::asio;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr auto kBetweenGauges = std::chrono::milliseconds(250);
constexpr auto kBetweenProgress = std::chrono::seconds(1);
constexpr double kAheadS = 0.05;  // prompts are made this long before they are sent
constexpr std::uint64_t kSlowReaderSeed = 0x510f;

// What no coroutine of ours expects (out of memory) ends the run as it would end a plain function.
void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

// A connection is a descriptor; systems start programs with room for a thousand.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct LoadRun::State {
  State(Workload what, LoadOptions how, std::function<void(const LoadProgress&)> tell)
      : workload(std::move(what)), options(std::move(how)), progress(std::move(tell)) {}

  asio::awaitable<void> sleep_until(double at_s);
  asio::awaitable<void> prepare();
  asio::awaitable<void> show_documents();
  asio::awaitable<void> converse(std::size_t index);
  asio::awaitable<Answer> send_turn(std::size_t index, std::size_t turn, double at_s,
                                    std::vector<std::string> said);
  asio::awaitable<void> watch_gauges();
  asio::awaitable<void> tell_progress();
  asio::awaitable<void> check_answers();
  asio::awaitable<void> everything();

  std::string slow_reader_body() const;
  void give_up_turns(std::size_t index, std::size_t from);
  void note_gauges(const ServerGauges& gauges);

  Workload workload;
  LoadOptions options;
  std::function<void(const LoadProgress&)> progress;
  TextMaker maker{};
  LoadResult result{};
  LoadProgress now{};
  std::optional<Error> error{};
  Clock::time_point origin{};
  std::size_t talking = 0;  // conversations that are not over
  bool over = false;
  std::optional<double> preemptions_before{};
  // The context is destroyed before what its coroutines use.
  asio::io_context context{1};
  Slots slots{context.get_executor(), options.max_concurrency};
  asio::steady_timer all_done{context, asio::steady_timer::time_point::max()};
  std::optional<Bystanders> bystanders{};
};

asio::awaitable<void> LoadRun::State::sleep_until(double at_s) {
  const auto at =
      origin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(at_s));
  if (at <= Clock::now()) co_return;
  asio::steady_timer timer(context, at);
  co_await timer.async_wait(kTuple);
}

std::string LoadRun::State::slow_reader_body() const {
  Conversation one;
  one.turns.push_back({.parts = {{.seed = kSlowReaderSeed, .tokens = 8}},
                       .output_tokens = options.slow_reader_tokens});
  return prompt_body(one, 0, {}, maker, options.prompts);
}

void LoadRun::State::note_gauges(const ServerGauges& gauges) {
  if (gauges.running) {
    result.peak_running = std::max(result.peak_running.value_or(0), *gauges.running);
  }
  if (gauges.preemptions && preemptions_before) {
    result.preemptions = *gauges.preemptions - *preemptions_before;
  }
}

// Asks the server what has to be known of it, and lets the bystanders come.
asio::awaitable<void> LoadRun::State::prepare() {
  if (options.prompts.model.empty()) {
    Result<std::string> model = co_await first_model(options.server, options.api_key);
    if (!model.ok()) {
      error = model.error();
      co_return;
    }
    options.prompts.model = *std::move(model);
  }
  result.model = options.prompts.model;
  result.tokens_per_word =
      co_await tokens_per_word(options.server, options.api_key, options.prompts.model);
  maker = TextMaker(result.tokens_per_word.value_or(1));
  BystanderOptions beside{.idle_connections = options.idle_connections,
                          .slow_readers = options.slow_readers,
                          .slow_path = path_of(options.prompts.endpoint),
                          .slow_body = slow_reader_body(),
                          .api_key = options.api_key};
  bystanders.emplace(context.get_executor(), options.server, std::move(beside));
  co_await bystanders->gather();
  const ServerGauges before = co_await read_gauges(options.server, options.api_key);
  preemptions_before = before.preemptions;
}

asio::awaitable<Answer> LoadRun::State::send_turn(std::size_t index, std::size_t turn, double at_s,
                                                  std::vector<std::string> said) {
  const auto body = [&] {
    return prompt_body(workload.conversations[index], turn, said, maker, options.prompts);
  };
  OutgoingRequest request{.path = path_of(options.prompts.endpoint), .api_key = options.api_key};
  // Prompts that wait for a slot are made when they have one, so that they do not fill the memory.
  const bool make_ahead = options.max_concurrency == 0;
  if (make_ahead) {
    co_await sleep_until(at_s - kAheadS);
    request.body = body();
  }
  co_await sleep_until(at_s);
  co_await slots.acquire();
  if (!make_ahead) request.body = body();
  ++now.sent;
  result.peak_streams = std::max(result.peak_streams, ++now.running);
  Answer answer =
      co_await stream_request(options.server, std::move(request), origin, options.timeout_s);
  --now.running;
  slots.release();
  answer.conversation = static_cast<int>(index);
  answer.turn = static_cast<int>(turn);
  answer.scheduled_s = at_s;
  answer.expected = workload.conversations[index].turns[turn].expected;
  co_return answer;
}

// The turns that cannot be asked because the one before them has failed.
void LoadRun::State::give_up_turns(std::size_t index, std::size_t from) {
  const std::vector<Turn>& turns = workload.conversations[index].turns;
  const double failed_s = result.answers.back().end_s;
  for (std::size_t turn = from; turn < turns.size(); ++turn) {
    Answer lost;
    lost.conversation = static_cast<int>(index);
    lost.turn = static_cast<int>(turn);
    lost.scheduled_s = lost.sent_s = lost.end_s = failed_s;
    lost.failure = "earlier turn failed";
    result.answers.push_back(std::move(lost));
    ++now.done;
    ++now.failed;
  }
}

asio::awaitable<void> LoadRun::State::converse(std::size_t index) {
  const std::vector<Turn>& turns = workload.conversations[index].turns;
  std::vector<std::string> said;
  double answered_s = 0;
  for (std::size_t turn = 0; turn < turns.size(); ++turn) {
    const double at_s = std::max(turns[turn].at_s, answered_s);
    if (options.duration_s > 0 && at_s >= options.duration_s) {
      result.unsent += static_cast<int>(turns.size() - turn);
      break;
    }
    Answer answer = co_await send_turn(index, turn, at_s, said);
    answered_s = answer.end_s;
    said.push_back(answer.text);
    const bool failed = !answer.ok();
    ++now.done;
    now.failed += failed ? 1 : 0;
    result.answers.push_back(std::move(answer));
    if (failed) {
      give_up_turns(index, turn + 1);
      break;
    }
  }
  if (--talking == 0) all_done.cancel();
}

asio::awaitable<void> LoadRun::State::watch_gauges() {
  asio::steady_timer pause(context);
  while (!over) {
    const ServerGauges gauges = co_await read_gauges(options.server, options.api_key);
    if (over || (!gauges.running && !gauges.preemptions)) break;
    note_gauges(gauges);
    pause.expires_after(kBetweenGauges);
    co_await pause.async_wait(kTuple);
  }
}

asio::awaitable<void> LoadRun::State::tell_progress() {
  asio::steady_timer pause(context);
  for (;;) {
    pause.expires_after(kBetweenProgress);
    co_await pause.async_wait(kTuple);
    now.at_s = seconds_between(origin, Clock::now());
    progress(now);
  }
}

// Every prompt again, alone, computed as if nothing had been asked before.
asio::awaitable<void> LoadRun::State::check_answers() {
  now.phase = LoadPhase::kCheck;
  now.due = static_cast<int>(result.answers.size());
  now.done = 0;
  result.agreement.emplace();
  PromptOptions exact = options.prompts;
  exact.reuse = "none";
  exact.recovery.clear();
  exact.ratio.reset();
  std::unordered_map<std::string, Answer> known;  // by body
  std::vector<std::vector<std::string>> said(workload.conversations.size());
  for (const Answer& answer : result.answers) {
    const auto index = static_cast<std::size_t>(answer.conversation);
    ++now.done;
    if (!answer.ok()) continue;
    OutgoingRequest request{.path = path_of(exact.endpoint), .api_key = options.api_key};
    request.body = prompt_body(workload.conversations[index], static_cast<std::size_t>(answer.turn),
                               said[index], maker, exact);
    said[index].push_back(answer.text);
    auto found = known.find(request.body);
    if (found == known.end()) {
      const std::string body = request.body;
      Answer alone =
          co_await stream_request(options.server, std::move(request), origin, options.timeout_s);
      found = known.emplace(body, std::move(alone)).first;
    }
    if (found->second.ok()) {
      compare(answer, found->second, *result.agreement);
    } else {
      ++result.unchecked;
    }
  }
}

// Workload::first_sights, one after the other.
asio::awaitable<void> LoadRun::State::show_documents() {
  now = {.phase = LoadPhase::kFirstSights, .due = static_cast<int>(workload.first_sights.size())};
  for (const Conversation& one : workload.first_sights) {
    OutgoingRequest request{.path = path_of(options.prompts.endpoint), .api_key = options.api_key};
    request.body = prompt_body(one, 0, {}, maker, options.prompts);
    const Answer answer =
        co_await stream_request(options.server, std::move(request), origin, options.timeout_s);
    result.unknown_sets += answer.ok() ? 0 : 1;
    ++now.done;
  }
}

asio::awaitable<void> LoadRun::State::everything() {
  co_await prepare();
  if (!error) {
    origin = Clock::now();
    asio::co_spawn(context, tell_progress(), rethrow);
    if (!workload.first_sights.empty()) co_await show_documents();
    origin = Clock::now();
    now = {.due = workload.requests()};
    talking = workload.conversations.size();
    // Those that send nothing are over at once.
    for (std::size_t index = 0; index < workload.conversations.size(); ++index) {
      asio::co_spawn(context, converse(index), rethrow);
    }
    asio::co_spawn(context, watch_gauges(), rethrow);
    while (talking > 0) co_await all_done.async_wait(kTuple);
    over = true;
    const ServerGauges after = co_await read_gauges(options.server, options.api_key);
    note_gauges(after);
    result.bystanders = bystanders->counts();
    if (options.check) co_await check_answers();
  }
  context.stop();
}

LoadRun::LoadRun(Workload workload, LoadOptions options,
                 std::function<void(const LoadProgress&)> progress)
    : state_(
          std::make_unique<State>(std::move(workload), std::move(options), std::move(progress))) {}
LoadRun::~LoadRun() = default;

Result<LoadResult> LoadRun::run() {
  State& state = *state_;
  raise_descriptor_limit();
  asio::co_spawn(state.context, state.everything(), rethrow);
  state.context.run();
  if (state.error) return *state.error;
  LoadResult out = std::move(state.result);
  if (!state.over) {
    out.cut_off = state.now.running;
    out.unsent = state.workload.requests() - static_cast<int>(out.answers.size()) - out.cut_off;
    if (state.bystanders) out.bystanders = state.bystanders->counts();
  }
  return out;
}

void LoadRun::stop() { state_->context.stop(); }

}  // namespace redknot::load
