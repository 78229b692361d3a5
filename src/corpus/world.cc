// SPDX-License-Identifier: Apache-2.0
#include "corpus/world.h"

#include <algorithm>
#include <array>
#include <optional>

namespace redknot::corpus {
namespace {

constexpr double kKnownValue = 0.65;  // a value that could be a subject of the world is one
constexpr double kFactStated = 0.75;
constexpr double kHasAlias = 0.3;
constexpr double kContinuation = 0.3;

std::optional<SubjectType> subject_type(ValueType type) {
  switch (type) {
    case ValueType::kPerson:
      return SubjectType::kPerson;
    case ValueType::kCompany:
      return SubjectType::kCompany;
    case ValueType::kCity:
      return SubjectType::kCity;
    default:
      return std::nullopt;
  }
}

SubjectType pick_type(Random& random) {
  const double at = random.fraction();
  if (at < 0.55) return SubjectType::kPerson;
  if (at < 0.75) return SubjectType::kCompany;
  return at < 0.9 ? SubjectType::kCity : SubjectType::kEvent;
}

std::string make_name(SubjectType type, NameMaker& names, Random& random) {
  switch (type) {
    case SubjectType::kPerson:
      return names.person(random);
    case SubjectType::kCompany:
      return names.company(random);
    case SubjectType::kCity:
      return names.place(random);
    case SubjectType::kEvent:
      return names.event(random);
  }
  return {};
}

// The indices of subjects of a type.
std::vector<std::size_t> subjects_of(const World& world, SubjectType type) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < world.subjects.size(); ++i) {
    if (world.subjects[i].type == type) out.push_back(i);
  }
  return out;
}

// In random order.
std::vector<std::size_t> relations_of(SubjectType type, Random& random) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < relations().size(); ++i) {
    if (relations()[i].subject == type) out.push_back(i);
  }
  random.shuffle(out);
  return out;
}

void add_facts(World& world, std::size_t index, const std::vector<std::size_t>& possible,
               NameMaker& names, Random& random) {
  std::size_t chosen = 2;
  while (chosen < possible.size() && random.chance(kFactStated)) ++chosen;
  for (std::size_t i = 0; i < chosen; ++i) {
    Value value = make_value(relations()[possible[i]].value, world, names, random);
    if (value.subject == static_cast<int>(index)) continue;  // nobody is their own sister
    world.subjects[index].facts.push_back(world.facts.size());
    world.facts.push_back({.subject = index,
                           .relation = possible[i],
                           .value = std::move(value.text),
                           .value_subject = value.subject});
  }
}

// Moves some of a subject's facts, but never all, to another of its documents.
void move_facts(World& world, const Subject& subject, Place place, Random& random) {
  int left = 0;
  for (const std::size_t fact : subject.facts) left += world.facts[fact].place == Place::kMain;
  for (const std::size_t fact : subject.facts) {
    if (left <= 1 || world.facts[fact].place != Place::kMain || random.chance(0.4)) continue;
    world.facts[fact].place = place;
    --left;
  }
}

}  // namespace

const Fact* World::find(std::size_t subject, std::size_t relation) const {
  for (const std::size_t fact : subjects[subject].facts) {
    if (facts[fact].relation == relation) return &facts[fact];
  }
  return nullptr;
}

Value make_value(ValueType type, const World& world, NameMaker& names, Random& random) {
  if (const auto wanted = subject_type(type); wanted && random.chance(kKnownValue)) {
    const std::vector<std::size_t> known = subjects_of(world, *wanted);
    if (!known.empty()) {
      const std::size_t subject = random.pick(known);
      return {.text = world.subjects[subject].name, .subject = static_cast<int>(subject)};
    }
  }
  switch (type) {
    case ValueType::kPerson:
      return {.text = names.person(random)};
    case ValueType::kCompany:
      return {.text = names.company(random)};
    case ValueType::kCity:
    case ValueType::kRiver:
    case ValueType::kRegion:
      return {.text = names.place(random)};
    case ValueType::kYear:
      return {.text = std::to_string(random.between(1500, 1999))};
    case ValueType::kJob:
    case ValueType::kInstrument:
    case ValueType::kProduct:
      break;
  }
  return {.text = std::string(pick_word(type, random))};
}

World make_world(const WorldOptions& options, NameMaker& names, Random& random) {
  World world;
  std::optional<SubjectType> only;
  std::vector<std::size_t> shared;
  if (options.alike) {
    only = pick_type(random);
    shared = relations_of(*only, random);
    shared.resize(std::min(shared.size(), 2 + random.below(2)));
  }
  for (int i = 0; i < options.subjects; ++i) {
    const SubjectType type = only ? *only : pick_type(random);
    world.subjects.push_back(
        {.type = type, .name = make_name(type, names, random), .female = random.chance(0.5)});
  }
  for (std::size_t i = 0; i < world.subjects.size(); ++i) {
    const auto possible = only ? shared : relations_of(world.subjects[i].type, random);
    add_facts(world, i, possible, names, random);
  }
  if (options.easy) return world;
  for (Subject& subject : world.subjects) {
    if (random.chance(kContinuation)) move_facts(world, subject, Place::kContinuation, random);
    const bool may_alias =
        subject.type == SubjectType::kPerson || subject.type == SubjectType::kCompany;
    if (may_alias && random.chance(kHasAlias)) {
      subject.alias = names.place(random);
      move_facts(world, subject, Place::kAlias, random);
    }
  }
  return world;
}

}  // namespace redknot::corpus
