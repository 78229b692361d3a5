// SPDX-License-Identifier: Apache-2.0
#include "load/workload.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/mix_bits.h"
#include "load/random.h"

namespace redknot::load {
namespace {

// Chance is drawn from streams of their own, so that another rate asks the same questions.
enum class Stream : std::uint64_t { kArrivals = 1, kText, kDocuments, kThinking };

std::uint64_t stream_seed(std::uint64_t seed, Stream stream) {
  return mix_bits(seed ^ mix_bits(static_cast<std::uint64_t>(stream)));
}

Conversation one_turn(double at_s, std::vector<TextPart> parts, int output_tokens) {
  Conversation out;
  out.turns.push_back({.at_s = at_s, .parts = std::move(parts), .output_tokens = output_tokens});
  return out;
}

void add_unique(const WorkloadOptions& options, Workload& out) {
  Random text(stream_seed(options.seed, Stream::kText));
  for (const double at_s : poisson_arrivals(options.prompts, options.rate, options.seed)) {
    out.conversations.push_back(one_turn(
        at_s, {{.seed = text.seed(), .tokens = options.input_tokens}}, options.output_tokens));
  }
}

template <typename T>
void shuffle(std::vector<T>& list, Random& random) {
  for (std::size_t left = list.size(); left > 1; --left) {
    std::swap(list[left - 1], list[random.below(left)]);
  }
}

// Draws documents by their popularity.
class Shelf {
 public:
  Shelf(int documents, double zipf) {
    double sum = 0;
    cumulated_.reserve(static_cast<std::size_t>(documents));
    for (int rank = 1; rank <= documents; ++rank) {
      sum += std::pow(rank, -zipf);
      cumulated_.push_back(sum);
    }
  }

  // `count` different documents; the order is chance.
  std::vector<std::size_t> pick(int count, Random& random) const {
    std::vector<std::size_t> out;
    out.reserve(static_cast<std::size_t>(count));
    std::vector<bool> taken(cumulated_.size());
    int refused = 0;
    while (out.size() < static_cast<std::size_t>(count)) {
      std::size_t document = draw(random);
      // Where the popular ones are all taken, the next free one is near enough.
      if (taken[document] && ++refused < kMaxRefused) continue;
      while (taken[document]) document = (document + 1) % taken.size();
      taken[document] = true;
      out.push_back(document);
    }
    shuffle(out, random);
    return out;
  }

 private:
  static constexpr int kMaxRefused = 1000;

  std::size_t draw(Random& random) const {
    const double at = random.fraction() * cumulated_.back();
    const auto found = std::upper_bound(cumulated_.begin(), cumulated_.end(), at);
    return std::min(static_cast<std::size_t>(found - cumulated_.begin()), cumulated_.size() - 1);
  }

  std::vector<double> cumulated_;
};

void add_shared(const WorkloadOptions& options, Workload& out) {
  Random text(stream_seed(options.seed, Stream::kText));
  Random choice(stream_seed(options.seed, Stream::kDocuments));
  std::vector<std::uint64_t> documents(static_cast<std::size_t>(options.documents));
  std::generate(documents.begin(), documents.end(), [&choice] { return choice.seed(); });
  const Shelf shelf(options.documents, options.zipf);
  for (const double at_s : poisson_arrivals(options.prompts, options.rate, options.seed)) {
    std::vector<TextPart> parts;
    parts.reserve(static_cast<std::size_t>(options.documents_per_prompt) + 1);
    for (const std::size_t document : shelf.pick(options.documents_per_prompt, choice)) {
      parts.push_back(
          {.seed = documents[document], .tokens = options.document_tokens, .reusable = true});
    }
    parts.push_back({.seed = text.seed(), .tokens = options.question_tokens});
    out.conversations.push_back(one_turn(at_s, std::move(parts), options.output_tokens));
  }
}

void add_conversations(const WorkloadOptions& options, Workload& out) {
  Random text(stream_seed(options.seed, Stream::kText));
  Random thinking(stream_seed(options.seed, Stream::kThinking));
  const int count = (options.prompts + options.turns - 1) / options.turns;
  int left = options.prompts;
  for (double at_s : poisson_arrivals(count, options.rate / options.turns, options.seed)) {
    Conversation conversation;
    for (int turn = 0; turn < std::min(options.turns, left); ++turn) {
      if (turn > 0) at_s += thinking.exponential(options.think_s);
      const int tokens = turn == 0 ? options.input_tokens : options.question_tokens;
      conversation.turns.push_back({.at_s = at_s,
                                    .parts = {{.seed = text.seed(), .tokens = tokens}},
                                    .output_tokens = options.output_tokens});
    }
    left -= static_cast<int>(conversation.turns.size());
    out.conversations.push_back(std::move(conversation));
  }
}

// What a question asks, its documents in the order given.
Conversation about_documents(double at_s, const std::string& system,
                             std::vector<std::shared_ptr<const std::string>> documents,
                             TextPart question, int output_tokens) {
  std::vector<TextPart> parts;
  parts.reserve(documents.size() + 1);
  for (auto& document : documents) {
    parts.push_back({.reusable = true, .text = std::move(document)});
  }
  parts.push_back(std::move(question));
  Conversation out = one_turn(at_s, std::move(parts), output_tokens);
  out.turns.front().system = system;
  return out;
}

// Every question once, in an order of chance.
void add_questions(const WorkloadOptions& options, const std::vector<QuestionSet>& sets,
                   Workload& out) {
  Random choice(stream_seed(options.seed, Stream::kDocuments));
  std::vector<std::pair<const QuestionSet*, const AnsweredQuestion*>> all;
  for (const QuestionSet& set : sets) {
    for (const AnsweredQuestion& question : set.questions) all.emplace_back(&set, &question);
  }
  shuffle(all, choice);
  all.resize(std::min(all.size(), static_cast<std::size_t>(options.prompts)));
  const auto count = static_cast<int>(all.size());
  const std::vector<double> arrivals = poisson_arrivals(count, options.rate, options.seed);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [set, question] = all[i];
    auto documents = set->documents;
    shuffle(documents, choice);  // whether or not it counts: seeds stay the same
    if (!options.orders_vary) documents = set->documents;
    Conversation one = about_documents(
        arrivals[i], set->system, std::move(documents),
        {.seed = choice.seed(), .text = std::make_shared<const std::string>(question->question)},
        options.output_tokens);
    one.turns.front().expected = question->answer;
    out.conversations.push_back(std::move(one));
  }
  if (!options.first_sights) return;
  std::set<const QuestionSet*> asked;
  for (const auto& [set, question] : all) {
    if (!asked.insert(set).second) continue;
    const auto text = std::make_shared<const std::string>("?");
    out.first_sights.push_back(
        about_documents(0, set->system, set->documents, {.seed = choice.seed(), .text = text}, 1));
  }
}

void add_trace(const WorkloadOptions& options, const std::vector<TraceRequest>& trace,
               Workload& out) {
  const std::uint64_t seed = stream_seed(options.seed, Stream::kText);
  for (const TraceRequest& request : trace) {
    if (out.conversations.size() == static_cast<std::size_t>(options.prompts)) break;
    if (options.max_input_tokens > 0 && request.input_tokens > options.max_input_tokens) {
      ++out.left_out;
      continue;
    }
    std::vector<TextPart> parts;
    parts.reserve(request.blocks.size());
    int left = request.input_tokens;
    for (const std::uint64_t block : request.blocks) {
      const int tokens = std::min(left, kTraceBlockTokens);
      parts.push_back({.seed = mix_bits(seed ^ mix_bits(block)), .tokens = tokens});
      left -= tokens;
    }
    const double at_s = request.timestamp_ms / 1000 / options.speed;
    out.conversations.push_back(one_turn(at_s, std::move(parts), request.output_tokens));
  }
}

Status check(const WorkloadOptions& options) {
  if (options.prompts < 1) return invalid("a load needs at least one prompt");
  if (!(options.rate > 0)) return invalid("the request rate is not above 0");
  if (!(options.speed > 0)) return invalid("the speed of a trace is not above 0");
  if (options.input_tokens < 1 || options.output_tokens < 1 || options.question_tokens < 1) {
    return invalid("a prompt and its answer need at least one token");
  }
  if (options.turns < 1) return invalid("a conversation needs at least one turn");
  if (!(options.think_s >= 0)) return invalid("the time to think is below 0");
  if (!(options.zipf >= 0)) return invalid("the exponent of popularity is below 0");
  if (options.mix != Mix::kShared) return Done{};
  if (options.document_tokens < 1) return invalid("a document needs at least one token");
  if (options.documents_per_prompt < 1 || options.documents_per_prompt > options.documents) {
    return invalid("a prompt takes from 1 to all ", options.documents, " documents, not ",
                   options.documents_per_prompt);
  }
  return Done{};
}

}  // namespace

int Workload::requests() const {
  int count = 0;
  for (const Conversation& one : conversations) count += static_cast<int>(one.turns.size());
  return count;
}

std::vector<double> poisson_arrivals(int count, double rate, std::uint64_t seed) {
  Random random(stream_seed(seed, Stream::kArrivals));
  std::vector<double> out(static_cast<std::size_t>(count));
  if (std::isinf(rate)) return out;
  double at_s = 0;
  for (double& arrival : out) {
    at_s += random.exponential(1 / rate);
    arrival = at_s;
  }
  return out;
}

Result<Workload> make_workload(const WorkloadOptions& options, const Recorded& recorded) {
  REDKNOT_RETURN_IF_ERROR(check(options));
  Workload out;
  switch (options.mix) {
    case Mix::kUnique:
      add_unique(options, out);
      break;
    case Mix::kShared:
      add_shared(options, out);
      break;
    case Mix::kMultiTurn:
      add_conversations(options, out);
      break;
    case Mix::kQuestions:
      add_questions(options, recorded.questions, out);
      break;
    case Mix::kTrace:
      add_trace(options, recorded.trace, out);
      break;
  }
  if (out.conversations.empty()) return invalid("nothing of the file is left to send");
  return out;
}

}  // namespace redknot::load
