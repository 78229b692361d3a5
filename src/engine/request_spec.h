// SPDX-License-Identifier: Apache-2.0
// Checks a request, and turns its parts into the tokens of a prompt. Pure functions: the engine's
// callers run them on their own threads, before the request is queued.
#pragma once

#include "model/vocabulary.h"
#include "redknot/redknot.h"
#include "sched/prompt_parts.h"
#include "text/tokenizer.h"

namespace redknot {

// kInvalidArgument naming the field that is out of range.
Status check_request(const Request& request, int vocabulary_size);

// The request's parts, joined; BOS in front if the first is text and the model asks for one.
// `tokenizer` may be null: then parts must be tokens. kInvalidArgument for tokens out of range or a
// prompt without any; kUnsupported for text without a tokenizer.
Result<Prompt> prompt_of(const Request& request, const Vocabulary& vocabulary, int vocabulary_size,
                         const Tokenizer* tokenizer);

}  // namespace redknot
