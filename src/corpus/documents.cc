// SPDX-License-Identifier: Apache-2.0
#include "corpus/documents.h"

#include <algorithm>
#include <array>
#include <utility>

#include "corpus/relations.h"

namespace redknot::corpus {
namespace {

using std::string_view;

constexpr double kPronoun = 0.3;     // of the sentences after a document's title
constexpr double kCorrected = 0.25;  // of the subjects
constexpr double kSecondCorrection = 0.25;
constexpr double kAfter = 1e-9;  // a continuation's place behind what it continues

struct Document {
  double order = 0;  // documents are sorted by it
  std::string text{};
  int subject = 0;
  bool continues = false;
};

// What may be written about one subject; kept only if it fits.
struct Draft {
  std::vector<Document> documents;
  std::vector<std::pair<std::size_t, std::string>> sentences;  // fact, how it is stated
  std::vector<std::pair<std::size_t, Value>> corrections;
};

class Writer {
 public:
  Writer(const WritingOptions& options, const std::function<int(string_view)>& count,
         const World& world, NameMaker& names, Random& random)
      : options_(options), count_(count), world_(world), names_(names), random_(random) {}

  Draft draft(const Subject& subject) {
    draft_ = {};
    const double order = random_.fraction();
    write(subject, Place::kMain, order);
    write(subject, Place::kContinuation, order + kAfter);
    write(subject, Place::kAlias, random_.fraction());
    if (!options_.easy && random_.chance(kCorrected)) correct(subject, order);
    return std::move(draft_);
  }

  // Filler alone.
  std::string filler(int tokens) {
    std::string text = "The weather and the roads.";
    pad(text, tokens);
    return text;
  }

 private:
  void write(const Subject& subject, Place place, double order) {
    std::vector<std::size_t> facts;
    for (const std::size_t fact : subject.facts) {
      if (world_.facts[fact].place == place) facts.push_back(fact);
    }
    if (facts.empty()) return;
    random_.shuffle(facts);
    std::string text = title(subject, place);
    if (place == Place::kMain && !subject.alias.empty()) {
      text += " " + state_alias(subject.name, subject.alias, options_.split, random_);
    }
    const int share = options_.document_tokens / static_cast<int>(facts.size());
    int target = count_(text);
    for (const std::size_t fact : facts) {
      std::string sentence = statement(subject, world_.facts[fact], place);
      text += " " + sentence;
      draft_.sentences.emplace_back(fact, std::move(sentence));
      target += share;
      pad(text, target);
    }
    const bool continues = place == Place::kContinuation;
    draft_.documents.push_back({order, std::move(text), 0, continues});
  }

  void pad(std::string& text, int tokens) {
    int have = count_(text);
    while (have + 12 <= tokens) {
      const std::string sentence = filler_sentence(options_.split, random_);
      have += count_(" " + sentence);
      text += " " + sentence;
    }
  }

  std::string title(const Subject& subject, Place place) {
    constexpr std::array<string_view, 4> kTitles = {"", "About ", "Notes on ", "Notes about "};
    constexpr std::array<string_view, 3> kContinued = {"Continued.", "More of the same.",
                                                       "More. Continued."};
    const bool test = options_.split == Split::kTest;
    if (place == Place::kContinuation) {
      return std::string(kContinued[test ? 2 : random_.below(2)]);
    }
    const std::string& name = place == Place::kAlias ? subject.alias : subject.name;
    std::string out = std::string(kTitles[test ? 3 : random_.below(3)]) + name + ".";
    if (out[0] == 't') out[0] = 'T';
    return out;
  }

  std::string statement(const Subject& subject, const Fact& fact, Place place) {
    const bool pronoun =
        place == Place::kContinuation || (!options_.easy && random_.chance(kPronoun));
    const std::string& name = place == Place::kAlias ? subject.alias : subject.name;
    return state(world_.relation_of(fact), pronoun ? pronoun_of(subject) : string_view(name),
                 fact.value, options_.split, random_);
  }

  static string_view pronoun_of(const Subject& subject) {
    switch (subject.type) {
      case SubjectType::kPerson:
        return subject.female ? "she" : "he";
      case SubjectType::kCompany:
        return "the company";
      case SubjectType::kCity:
        return "the city";
      case SubjectType::kEvent:
        return "the event";
    }
    return {};
  }

  void correct(const Subject& subject, double order) {
    for (const std::size_t index : subject.facts) {
      const Fact& fact = world_.facts[index];
      if (fact.place != Place::kMain) continue;
      do {
        order += (1 - order) * (0.02 + 0.98 * random_.fraction());
        Value value = make_value(world_.relation_of(fact).value, world_, names_, random_);
        if (value.text == fact.value || value.text == subject.name) return;
        draft_.documents.push_back(
            {order, "Correction. " + state(world_.relation_of(fact), subject.name, value.text,
                                           options_.split, random_)});
        draft_.corrections.emplace_back(index, std::move(value));
      } while (random_.chance(kSecondCorrection));
      return;
    }
  }

  const WritingOptions& options_;
  const std::function<int(string_view)>& count_;
  const World& world_;
  NameMaker& names_;
  Random& random_;
  Draft draft_;
};

void apply(Draft& draft, World& world) {
  for (auto& [fact, sentence] : draft.sentences) {
    world.facts[fact].stated = true;
    world.facts[fact].sentence = std::move(sentence);
  }
  for (auto& [fact, value] : draft.corrections) {
    world.facts[fact].corrected = true;
    world.facts[fact].value = std::move(value.text);
    world.facts[fact].value_subject = value.subject;
  }
}

}  // namespace

std::vector<WrittenDocument> write_documents(const WritingOptions& options,
                                             const std::function<int(string_view)>& count,
                                             World& world, NameMaker& names, Random& random) {
  constexpr int kMarkTokens = 1;  // what opens a document
  constexpr int kSmallestFiller = 40;
  Writer writer(options, count, world, names, random);
  std::vector<Document> documents;
  int left = options.budget_tokens;
  int subjects = 0;  // and what has none counts on
  for (const Subject& subject : world.subjects) {
    Draft draft = writer.draft(subject);
    int tokens = 0;
    for (const Document& document : draft.documents) tokens += count(document.text) + kMarkTokens;
    if (tokens > left) break;
    left -= tokens;
    for (Document& document : draft.documents) document.subject = subjects;
    ++subjects;
    std::move(draft.documents.begin(), draft.documents.end(), std::back_inserter(documents));
    apply(draft, world);
  }
  while (left > kSmallestFiller) {
    const int most = std::min(left - kMarkTokens, 600);
    documents.push_back({random.fraction(), writer.filler(most), subjects++});
    left -= count(documents.back().text) + kMarkTokens;
  }
  std::sort(documents.begin(), documents.end(),
            [](const Document& a, const Document& b) { return a.order < b.order; });
  std::vector<WrittenDocument> out;
  out.reserve(documents.size());
  for (Document& document : documents) {
    out.push_back({std::move(document.text), {document.subject, document.continues}});
  }
  return out;
}

}  // namespace redknot::corpus
