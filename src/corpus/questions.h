// SPDX-License-Identifier: Apache-2.0
// Questions asks about a world whose documents are written, and knows the answers.
//
// It remembers what was asked, so that no question comes twice. make_sample() has one for each
// sample and asks it for turns until the sample is full, on its own thread. The world and the
// random numbers are the caller's and must outlive it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "corpus/names.h"
#include "corpus/random.h"
#include "corpus/sample.h"
#include "corpus/world.h"

namespace redknot::corpus {

// Asks each question once. The world and the random numbers are the caller's.
class Questions {
 public:
  Questions(const World& world, Split split, Random& random);

  // The next question of a kind, if the documents answer one more: one turn, or for kChat the turn
  // before it too. Kinds that are not about worlds: nothing.
  std::vector<Turn> next(Kind kind);

 private:
  using Key = std::pair<std::size_t, std::size_t>;  // of two facts, say
  bool fresh(Kind kind, std::size_t a, std::size_t b) {
    return asked_.insert({kind, {a, b}}).second;
  }

  std::vector<Turn> of_fact(Kind kind, const Fact& fact);
  std::vector<Turn> two_hop(const Fact& fact);
  std::vector<Turn> comparison(const Fact& fact);
  std::vector<Turn> counting(const Fact& fact);
  std::vector<Turn> quote(const Fact& fact);
  std::vector<Turn> not_stated(const Fact& fact);
  std::vector<Turn> chat(const Fact& fact);
  std::vector<Turn> about(Kind kind, const Fact& fact);
  std::size_t index_of(const Fact& fact) const;
  const std::string& name_of_subject(const Fact& fact) const;

  const World& world_;
  Split split_;
  Random& random_;
  std::vector<std::size_t> stated_;  // indices of facts that documents state
  std::set<std::pair<Kind, Key>> asked_;
};

}  // namespace redknot::corpus
