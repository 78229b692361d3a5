// SPDX-License-Identifier: Apache-2.0
#include "corpus/sample.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "corpus/documents.h"
#include "corpus/lookup.h"
#include "corpus/questions.h"
#include "corpus/world.h"

namespace redknot::corpus {
namespace {

using std::string_view;

constexpr std::array<string_view, kAllKinds> kNames = {
    "one_hop",    "two_hop", "comparison", "counting",       "alias",     "continuation",
    "correction", "quote",   "not_stated", "chat",           "key_value", "passkey",
    "extraction", "keys",    "variables",  "frequent_words", "code"};

constexpr std::array<string_view, 4> kSystems = {
    "Answer questions about the documents.", "Answer from the documents, or say: not stated.",
    "You answer questions about documents, in few words.",
    "You answer from the documents in few words, or say: not stated."};

// The question is given up for a kind, or the world for a sample, after so many attempts.
constexpr int kAttempts = 5000;

Kind pick_kind(const std::array<double, kKinds>& mix, Random& random) {
  double at = random.fraction() * std::accumulate(mix.begin(), mix.end(), 0.0);
  std::size_t kind = 0;
  while (kind + 1 < mix.size() && at >= mix[kind]) at -= mix[kind++];
  return static_cast<Kind>(kind);
}

// Between 50 and 600 tokens, short ones more often; other styles than prose fill nothing up.
int pick_document_tokens(const SampleOptions& options, Random& random) {
  if (options.style != Style::kProse) return 0;
  constexpr int kFewest = 50, kMost = 600;
  const int most = std::clamp(options.document_tokens / 4, kFewest, kMost);
  return random.between(kFewest, random.between(kFewest, most));
}

// Samples with the kind asked for are drawn again until the documents answer such a question.
Sample make_prose(const SampleOptions& options, Kind first, const CountTokens& count,
                  Random& random) {
  constexpr int kSmallestSubject = 20;  // tokens
  const bool easy = options.style != Style::kProse;
  NameMaker names(options.split, options.style == Style::kEasy);
  const int document_tokens = pick_document_tokens(options, random);
  World world = make_world(
      {.split = options.split,
       .easy = easy,
       .alike = options.style == Style::kDense,
       .subjects = options.document_tokens / std::max(document_tokens, kSmallestSubject) + 2},
      names, random);
  Sample sample;
  const std::vector<WrittenDocument> written =
      write_documents({.split = options.split,
                       .easy = easy,
                       .budget_tokens = options.document_tokens,
                       .document_tokens = document_tokens},
                      count, world, names, random);
  for (const WrittenDocument& document : written) {
    sample.documents.push_back(document.text);
    sample.order.push_back(document.order);
  }
  Questions questions(world, options.split, random);
  Kind kind = first;
  for (int attempt = 0; attempt < options.turns * 2; ++attempt) {
    std::vector<Turn> turns = questions.next(kind);
    if (turns.empty() && attempt == 0) return {};
    std::move(turns.begin(), turns.end(), std::back_inserter(sample.turns));
    if (static_cast<int>(sample.turns.size()) >= options.turns) break;
    kind = pick_kind(options.mix, random);
  }
  return sample;
}

}  // namespace

string_view name_of(Style style) {
  constexpr std::array<string_view, kStyles.size()> kStyleNames = {"prose", "easy", "dense"};
  return kStyleNames[static_cast<std::size_t>(style)];
}

std::optional<Style> style_named(string_view name) {
  for (const Style style : kStyles) {
    if (name_of(style) == name) return style;
  }
  return std::nullopt;
}

string_view name_of(Kind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::optional<Kind> kind_named(string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Kind>(found - kNames.begin());
}

Result<Sample> make_sample(const SampleOptions& options, const CountTokens& count, Random& random) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Kind kind = pick_kind(options.mix, random);
    if (kind == Kind::kKeyValue) return make_key_value(options, count, random);
    if (kind == Kind::kPasskey) return make_passkey(options, count, random);
    Sample sample = make_prose(options, kind, count, random);
    if (sample.turns.empty()) continue;
    if (options.style == Style::kProse && (options.split == Split::kTest || random.chance(0.5))) {
      sample.system = kSystems[options.split == Split::kTest ? kSystems.size() - 1
                                                             : random.below(kSystems.size() - 1)];
    }
    return sample;
  }
  return invalid("make a sample: no question of the kinds asked for fits ", options.document_tokens,
                 " tokens of documents");
}

void shuffle_documents(Sample& sample, Random& random) {
  for (std::size_t i = sample.order.size(); i < sample.documents.size(); ++i) {
    sample.order.push_back({.subject = static_cast<int>(i)});
  }
  // A unit is a document and what continues it.
  std::vector<std::vector<std::size_t>> units;
  for (std::size_t i = 0; i < sample.documents.size(); ++i) {
    if (units.empty() || !sample.order[i].continues) units.emplace_back();
    units.back().push_back(i);
  }
  const auto subject = [&](const std::vector<std::size_t>& unit) {
    return sample.order[unit.front()].subject;
  };
  std::vector<std::vector<std::size_t>> shuffled = units;
  random.shuffle(shuffled);
  // The places that the units of a subject got, taken in their order.
  std::map<int, std::deque<std::vector<std::size_t>>> in_order;
  for (const auto& unit : units) in_order[subject(unit)].push_back(unit);
  Sample out = sample;
  out.documents.clear();
  out.order.clear();
  for (const auto& place : shuffled) {
    std::deque<std::vector<std::size_t>>& own = in_order[subject(place)];
    for (const std::size_t i : own.front()) {
      out.documents.push_back(std::move(sample.documents[i]));
      out.order.push_back(sample.order[i]);
    }
    own.pop_front();
  }
  sample = std::move(out);
}

std::string prompt_text(const Sample& sample, std::size_t turn) {
  REDKNOT_CHECK(turn < sample.turns.size());
  std::string out;
  if (!sample.system.empty()) out += "<|system|> " + sample.system + "<|end|>";
  for (const std::string& document : sample.documents) out += "<|document|> " + document;
  for (std::size_t i = 0; i <= turn; ++i) {
    if (i > 0) out += answer_text(sample.turns[i - 1]);
    out += "<|user|> " + sample.turns[i].question + "<|assistant|>";
  }
  return out;
}

std::string answer_text(const Turn& turn) { return " " + turn.answer + "<|end|>"; }

}  // namespace redknot::corpus
