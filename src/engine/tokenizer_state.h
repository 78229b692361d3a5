// SPDX-License-Identifier: Apache-2.0
// What the public Tokenizer holds, for the engine to share.
#pragma once

#include "redknot/redknot.h"
#include "text/tokenizer.h"

namespace redknot {

struct Tokenizer::State {
  text::Tokenizer tokenizer;
};

}  // namespace redknot
