// SPDX-License-Identifier: Apache-2.0
// How near an answer comes to the expected one, as SQuAD measures it (Rajpurkar et al. 2016,
// "SQuAD: 100,000+ Questions for Machine Comprehension of Text", and version 2.0 of its evaluation
// script).
//
// Both are normalised first: lower case, punctuation and the articles a, an and the removed, white
// space folded. Letters, punctuation and white space are those of ASCII; other characters count as
// they stand. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace redknot::eval {

// "The  Velkar-Fair." -> "velkarfair"
std::string normalised(std::string_view answer);

// Whether both are the same when normalised.
bool exact_match(std::string_view given, std::string_view expected);

// 2PR / (P + R) of the words that both have, each as often as it occurs in both: P is their share
// of the words given, R of those expected. 0 to 1. Without any words on one side: 1 if neither has
// any, else 0.
double token_f1(std::string_view given, std::string_view expected);

}  // namespace redknot::eval
