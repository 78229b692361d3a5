// SPDX-License-Identifier: Apache-2.0
// An Expression is a regular expression that cuts text into words, compiled once with PCRE2's JIT.
//
// It means what it means to Hugging Face's tokenizers: UTF-8, Unicode properties, and \s is exactly
// Unicode's White_Space (PCRE2's own \s also holds U+180E). A PreTokenizer owns those of a
// vocabulary. They are immutable and may be used by many threads, each with its own MatchScratch.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "redknot/result.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace redknot::text {

// Where a match writes its borders. Belongs to one thread at a time.
class MatchScratch {
 public:
  MatchScratch();

 private:
  friend class Expression;
  struct Free {
    void operator()(pcre2_real_match_data_8* data) const;
  };
  std::unique_ptr<pcre2_real_match_data_8, Free> data_;
};

class Expression {
 public:
  // kUnsupported, with what is wrong and where, if PCRE2 does not understand the pattern.
  static Result<Expression> compile(std::string_view pattern);

  // Appends the parts of `text` to `parts`, in order: every match, and what lies between matches.
  // Nothing of the text is lost. Requires valid UTF-8. kResourceExhausted if the expression
  // backtracks beyond its limit.
  Status split(std::string_view text, MatchScratch& scratch,
               std::vector<std::string_view>& parts) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
    void operator()(pcre2_real_match_context_8* context) const;
  };
  Expression() = default;

  std::unique_ptr<pcre2_real_code_8, Free> code_;
  std::unique_ptr<pcre2_real_match_context_8, Free> context_;
};

}  // namespace redknot::text
