// SPDX-License-Identifier: Apache-2.0
// A PreTokenizer cuts text into the words inside which byte-level BPE merges.
//
// It owns a list of expressions; each cuts every part that the one before it left. They are known
// by GGUF's name (tokenizer.ggml.pre), or given as expressions by a tokenizer.json. ByteLevelBpe
// owns one. It is immutable and may be used by many threads, each with its own
// PreTokenizer::Scratch.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "redknot/result.h"
#include "text/expression.h"

namespace redknot::text {

class PreTokenizer {
 public:
  // kUnsupported for an unknown name, with the list of known ones.
  static Result<PreTokenizer> named(std::string_view name);
  // kUnsupported for an expression that PCRE2 does not understand.
  static Result<PreTokenizer> from_expressions(std::span<const std::string> expressions);

  class Scratch {
    friend class PreTokenizer;
    MatchScratch match_;
    std::vector<std::string_view> parts_, next_parts_;
  };

  // The words of `text`, in order; together they are the text. Valid until the next call with this
  // scratch or the end of the text's life. Any bytes: those that are not UTF-8 count as control
  // characters. kResourceExhausted if an expression backtracks beyond its limit.
  Result<std::span<const std::string_view>> split(std::string_view text, Scratch& scratch) const;

 private:
  std::vector<Expression> expressions_;
};

}  // namespace redknot::text
