// SPDX-License-Identifier: Apache-2.0
// A NameMaker invents names, built from syllables so that nothing can be memorised.
//
// A syllable belongs to the train split or to the test split, never to both: names of the test
// split contain no syllable that training has seen. A world and the filler between its documents
// draw from the same maker, which remembers the names it gave; one thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "corpus/random.h"

namespace redknot::corpus {

enum class Split { kTrain, kTest };

// Makes names for one sample; no name is given out twice, and no one-word name is part of another.
class NameMaker {
 public:
  // `easy` keeps to one-word names, half of them of one syllable.
  NameMaker(Split split, bool easy) : split_(split), easy_(easy) {}

  std::string person(Random& random);   // "Marto", "Marto Velk"
  std::string company(Random& random);  // "Velkar", "Velkar Mills"
  std::string event(Random& random);    // "the Velkar Fair"
  std::string place(Random& random);    // "Velkar": a city, river, region or alias

 private:
  std::string syllable(Random& random) const;
  std::string word(Random& random);

  Split split_;
  bool easy_;
  std::set<std::string> taken_;
};

}  // namespace redknot::corpus
