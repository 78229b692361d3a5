// SPDX-License-Identifier: Apache-2.0
// The facts of one sample: who there is, what is true of them, and which document says so.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "corpus/names.h"
#include "corpus/random.h"
#include "corpus/relations.h"

namespace redknot::corpus {

// Which document of its subject states a fact.
enum class Place { kMain, kContinuation, kAlias };

struct Fact {
  std::size_t subject = 0;   // index of a Subject
  std::size_t relation = 0;  // index into relations()
  std::string value{};
  int value_subject = -1;  // index of the Subject that the value names, or -1
  Place place = Place::kMain;
  bool corrected = false;  // a later document states another value
  bool stated = false;     // its document is part of the sample
  std::string sentence{};  // as the document says it, once stated
};

struct Subject {
  SubjectType type = SubjectType::kPerson;
  std::string name{};
  std::string alias{};  // empty if nobody uses another name
  bool female = false;
  std::vector<std::size_t> facts{};  // indices into World::facts
};

struct World {
  std::vector<Subject> subjects;
  std::vector<Fact> facts;

  const Relation& relation_of(const Fact& fact) const { return relations()[fact.relation]; }
  // The subject's fact of that relation, or null.
  const Fact* find(std::size_t subject, std::size_t relation) const;
};

struct WorldOptions {
  Split split = Split::kTrain;
  bool easy = false;
  bool alike = false;  // all subjects have one type and the same two or three relations
  int subjects = 4;
};

// Every subject has at least two facts. Unless the world is easy, some have an alias with facts
// under it, and some have facts in a continuation. Nothing is stated or corrected yet.
World make_world(const WorldOptions& options, NameMaker& names, Random& random);

// A value of the type: one of the world's subjects where there is one and chance has it, else new.
struct Value {
  std::string text;
  int subject = -1;
};
Value make_value(ValueType type, const World& world, NameMaker& names, Random& random);

}  // namespace redknot::corpus
