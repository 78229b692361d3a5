// SPDX-License-Identifier: Apache-2.0
// What tokenizer.json says about the steps around the BPE model: normalizer, pre-tokenizer and
// post-processor. Include in .cc files only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/json.h"
#include "model/vocabulary.h"
#include "redknot/result.h"

namespace redknot {

struct TokenizerPipeline {
  TokenizerKind kind = TokenizerKind::kNone;   // kByteLevelBpe or kRankedPieces
  std::vector<std::string> split_expressions;  // byte-level: applied in turn, matches stand apart
  bool add_space_prefix = false;
  bool prefix_unless_space = false, prefix_at_start_only = false;  // see Vocabulary
  std::optional<std::string> first_token;                          // put before a text, as BOS
  std::optional<std::string> last_token;                           // put after a text, as EOS
};

// kUnsupported naming a step that RedKnot does not run; kCorrupt naming a field.
Result<TokenizerPipeline> read_tokenizer_pipeline(const Json& root);

}  // namespace redknot
