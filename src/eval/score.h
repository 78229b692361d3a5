// SPDX-License-Identifier: Apache-2.0
// How near an answer comes to what is expected.
//
// Text is held against text as SQuAD does it (Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for
// Machine Comprehension of Text", and version 2.0 of its evaluation script): both are normalised
// first: lower case, punctuation and the articles a, an and the removed, white space folded.
// Letters, punctuation and white space are those of ASCII; other characters count as they stand.
// Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/task.h"

namespace redknot::eval {

// "The  Velkar-Fair." -> "velkarfair"
std::string normalised(std::string_view answer);

// Whether both are the same when normalised.
bool exact_match(std::string_view given, std::string_view expected);

// 2PR / (P + R) of the words that both have, each as often as it occurs in both: P is their share
// of the words given, R of those expected. 0 to 1. Without any words on one side: 1 if neither has
// any, else 0.
double token_f1(std::string_view given, std::string_view expected);

// 1 less the Levenshtein distance of their bytes by the length of the longer one; 1 if both are
// empty. Of more than kMostEditBytes the beginnings count. O(product of the lengths).
double edit_similarity(std::string_view given, std::string_view expected);
inline constexpr std::size_t kMostEditBytes = 1024;

// 0 to 1 each.
struct Score {
  double exact_match = 0;  // all of it is right, and nothing else is said
  double partial = 0;      // as corpus::Scoring says
  double contains = 0;     // what is expected is somewhere in the answer
};

// Of an answer to a task with these answers, by its scoring; the best that one of several right
// answers gives.
//   kText    as SQuAD; contains: as normalised text
//   kLine    the first line that is not empty, outside of a code fence, without white space at its
//            ends; contains: the expected line as it stands
//   kFields  values of the expected object's fields, as normalised text; exact: all of them;
//            contains: all are somewhere in the answer
//   kItems   items that are in the answer as whole words; exact and contains: all of them
Score score(corpus::Scoring scoring, const std::vector<std::string>& expected,
            std::string_view given);

}  // namespace redknot::eval
