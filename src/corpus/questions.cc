// SPDX-License-Identifier: Apache-2.0
#include "corpus/questions.h"

#include <cstddef>
#include <string_view>

#include "corpus/relations.h"

namespace redknot::corpus {
namespace {

// Stated once, by the subject's own document.
bool is_plain(const Fact& fact) {
  return fact.stated && fact.place == Place::kMain && !fact.corrected;
}

Kind kind_of(const Fact& fact) {
  if (fact.corrected) return Kind::kCorrection;
  switch (fact.place) {
    case Place::kContinuation:
      return Kind::kContinuation;
    case Place::kAlias:
      return Kind::kAlias;
    case Place::kMain:
      break;
  }
  return Kind::kOneHop;
}

// "Who was born first, ": of relations with a year.
std::string_view first_of(SubjectType type) {
  switch (type) {
    case SubjectType::kPerson:
      return "Who was born first, ";
    case SubjectType::kCompany:
      return "Which was founded first, ";
    default:
      return "Which began first, ";
  }
}

// "How many people live in ": of the relations that are counted; "" for others.
std::string_view count_of(std::string_view noun) {
  if (noun == "home city") return "How many people live in ";
  if (noun == "employer") return "How many people work for ";
  if (noun == "birthplace") return "How many people were born in ";
  return "";
}

}  // namespace

Questions::Questions(const World& world, Split split, Random& random)
    : world_(world), split_(split), random_(random) {
  for (std::size_t i = 0; i < world.facts.size(); ++i) {
    if (world.facts[i].stated) stated_.push_back(i);
  }
}

std::vector<Turn> Questions::next(Kind kind) {
  random_.shuffle(stated_);
  for (const std::size_t fact : stated_) {
    if (auto turns = about(kind, world_.facts[fact]); !turns.empty()) return turns;
  }
  return {};
}

std::vector<Turn> Questions::about(Kind kind, const Fact& fact) {
  switch (kind) {
    case Kind::kOneHop:
    case Kind::kAlias:
    case Kind::kContinuation:
    case Kind::kCorrection:
      return of_fact(kind, fact);
    case Kind::kTwoHop:
      return two_hop(fact);
    case Kind::kComparison:
      return comparison(fact);
    case Kind::kCounting:
      return counting(fact);
    case Kind::kQuote:
      return quote(fact);
    case Kind::kNotStated:
      return not_stated(fact);
    case Kind::kChat:
      return chat(fact);
    default:  // not about worlds
      break;
  }
  return {};
}

std::size_t Questions::index_of(const Fact& fact) const {
  return static_cast<std::size_t>(&fact - world_.facts.data());
}

const std::string& Questions::name_of_subject(const Fact& fact) const {
  return world_.subjects[fact.subject].name;
}

std::vector<Turn> Questions::of_fact(Kind kind, const Fact& fact) {
  if (kind_of(fact) != kind || !fresh(kind, index_of(fact), 0)) return {};
  return {
      {kind, ask(world_.relation_of(fact), name_of_subject(fact), split_, random_), fact.value}};
}

std::vector<Turn> Questions::two_hop(const Fact& fact) {
  const Relation& first = world_.relation_of(fact);
  if (!is_plain(fact) || fact.value_subject < 0 || first.role.empty()) return {};
  std::vector<std::size_t> seconds =
      world_.subjects[static_cast<std::size_t>(fact.value_subject)].facts;
  random_.shuffle(seconds);
  for (const std::size_t index : seconds) {
    const Fact& second = world_.facts[index];
    if (!is_plain(second) || !fresh(Kind::kTwoHop, index_of(fact), index)) continue;
    const std::string middle = "the " + std::string(first.role) + " of " + name_of_subject(fact);
    return {
        {Kind::kTwoHop, ask(world_.relation_of(second), middle, split_, random_), second.value}};
  }
  return {};
}

std::vector<Turn> Questions::comparison(const Fact& fact) {
  const Relation& relation = world_.relation_of(fact);
  if (relation.value != ValueType::kYear || !is_plain(fact)) return {};
  for (const std::size_t index : stated_) {
    const Fact& other = world_.facts[index];
    if (other.relation != fact.relation || !is_plain(other) || other.value == fact.value ||
        !fresh(Kind::kComparison, index_of(fact), index)) {
      continue;
    }
    const std::string question = std::string(first_of(relation.subject)) + name_of_subject(fact) +
                                 " or " + name_of_subject(other) + "?";
    return {{Kind::kComparison, open_question(question, split_, random_),
             name_of_subject(fact.value < other.value ? fact : other)}};
  }
  return {};
}

std::vector<Turn> Questions::counting(const Fact& fact) {
  constexpr int kMost = 9;
  constexpr double kOne = 0.05;  // most values occur once; few questions ask for them
  const std::string_view opening = count_of(world_.relation_of(fact).noun);
  if (opening.empty()) return {};
  int count = 0;
  std::size_t first = index_of(fact);
  for (const std::size_t index : stated_) {
    const Fact& other = world_.facts[index];
    if (other.relation != fact.relation || other.value != fact.value) continue;
    first = std::min(first, index);
    ++count;
  }
  if (count > kMost || (count == 1 && !random_.chance(kOne)) || !fresh(Kind::kCounting, first, 0))
    return {};
  return {{Kind::kCounting, open_question(std::string(opening) + fact.value + "?", split_, random_),
           std::to_string(count)}};
}

std::vector<Turn> Questions::quote(const Fact& fact) {
  if (!is_plain(fact) || !fresh(Kind::kQuote, index_of(fact), 0)) return {};
  const std::string question = "Quote the sentence that states the " +
                               std::string(world_.relation_of(fact).noun) + " of " +
                               name_of_subject(fact) + ".";
  return {{Kind::kQuote, open_question(question, split_, random_), fact.sentence}};
}

std::vector<Turn> Questions::not_stated(const Fact& fact) {
  const std::size_t start = random_.below(relations().size());
  for (std::size_t i = 0; i < relations().size(); ++i) {
    const std::size_t index = (start + i) % relations().size();
    const Relation& relation = relations()[index];
    if (relation.subject != world_.subjects[fact.subject].type ||
        world_.find(fact.subject, index) != nullptr ||
        !fresh(Kind::kNotStated, fact.subject, index)) {
      continue;
    }
    return {
        {Kind::kNotStated, ask(relation, name_of_subject(fact), split_, random_), "not stated"}};
  }
  return {};
}

std::vector<Turn> Questions::chat(const Fact& fact) {
  if (!is_plain(fact)) return {};
  for (const std::size_t index : stated_) {
    const Fact& further = world_.facts[index];
    if (further.subject != fact.subject || &further == &fact || !is_plain(further) ||
        !fresh(Kind::kChat, index_of(fact), index)) {
      continue;
    }
    return {
        {Kind::kOneHop, ask(world_.relation_of(fact), name_of_subject(fact), split_, random_),
         fact.value},
        {Kind::kChat, ask_further(world_.relation_of(further), split_, random_), further.value}};
  }
  return {};
}

}  // namespace redknot::corpus
