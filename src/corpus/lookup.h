// SPDX-License-Identifier: Apache-2.0
// Samples without a world: values of a JSON object, and a pass key in filler.
#pragma once

#include "corpus/random.h"
#include "corpus/sample.h"

namespace redknot::corpus {

// The prompt of "Lost in the Middle" (Liu et al., 2023): a JSON object of UUIDs. For the train
// split some keys and values are shorter, and the object is a document or part of the question.
Sample make_key_value(const SampleOptions& options, const CountTokens& count, Random& random);

Sample make_passkey(const SampleOptions& options, const CountTokens& count, Random& random);

}  // namespace redknot::corpus
