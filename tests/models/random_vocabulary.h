// SPDX-License-Identifier: Apache-2.0
// A made-up byte-level BPE vocabulary of a given size, for random models: the 256 bytes, common
// pieces of English, then runs of two, three and four letters, then control tokens for chats.
#pragma once

#include <string_view>

#include "tests/models/gguf_writer.h"

namespace redknot {

inline constexpr int kMinRandomVocabulary = 256 + 3;
inline constexpr int kMaxRandomVocabulary = 400'000;

// Puts all of tokenizer.ggml.* and the chat template. Requires the size to be within the limits.
void put_random_vocabulary(GgufWriter& writer, int size, std::string_view pre_tokenizer,
                           bool add_bos);

}  // namespace redknot
