// SPDX-License-Identifier: Apache-2.0
// Tasks that any chat model can be given, with documents that are made for each of them.
//
// Extraction: a JSON object from facts of several documents. The others are tasks of RULER (Hsieh
// et al. 2024, "RULER: What's the Real Context Size of Your Long-Context Language Models?"), over
// several documents instead of one text: its multi-key needles in a haystack of needles
// (niah_multikey_2), variable tracking (vt, two chains of four hops) and frequent words extraction
// (fwe, exponent 2). make_task() calls these; pure functions.
#pragma once

#include "corpus/task.h"

namespace redknot::corpus {

Task make_extraction(const TaskOptions& options, const CountTokens& count, Random& random);
Task make_keys(const TaskOptions& options, const CountTokens& count, Random& random);
Task make_variables(const TaskOptions& options, const CountTokens& count, Random& random);
Task make_frequent_words(const TaskOptions& options, const CountTokens& count, Random& random);

}  // namespace redknot::corpus
