// SPDX-License-Identifier: Apache-2.0
// What documents say and questions ask: relations between a subject and a value, with the English
// for both.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "corpus/names.h"
#include "corpus/random.h"

namespace redknot::corpus {

enum class SubjectType { kPerson, kCompany, kCity, kEvent };
enum class ValueType {
  kPerson,
  kCompany,
  kCity,
  kRiver,
  kRegion,
  kJob,
  kInstrument,
  kProduct,
  kYear
};

struct Relation {
  SubjectType subject;
  ValueType value;
  std::string_view noun;                      // "the NOUN of X"
  std::array<std::string_view, 4> phrases;    // "X PHRASE value"
  std::array<std::string_view, 3> questions;  // {S} stands for the subject
  std::string_view role;  // how a question names the value: "the ROLE of X"; "" where it cannot
};

std::span<const Relation> relations();

// Statements and questions are made of two parts each, and a pair of parts belongs to one split:
// training never sees a whole sentence form of the test split, though it sees every word of it.
std::string state(const Relation& relation, std::string_view subject, std::string_view value,
                  Split split, Random& random);
// "X is also known as ALIAS."
std::string state_alias(std::string_view subject, std::string_view alias, Split split,
                        Random& random);
std::string ask(const Relation& relation, std::string_view subject, Split split, Random& random);
// Of the subject of the turn before: "And what is the home city?"
std::string ask_further(const Relation& relation, Split split, Random& random);
// A question about facts that no single relation answers, in one of the openings of the split.
std::string open_question(std::string_view question, Split split, Random& random);

// Words of the language, the same in both splits.
std::string_view pick_word(ValueType type, Random& random);

// A sentence about nothing that any question asks for; begins with a capital, ends with a stop.
std::string filler_sentence(Split split, Random& random);

}  // namespace redknot::corpus
