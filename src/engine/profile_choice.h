// SPDX-License-Identifier: Apache-2.0
// The head profile that an engine runs with, and the pages that it needs.
#pragma once

#include <array>

#include "base/thread_pool.h"
#include "heads/profile_file.h"
#include "kv/page_allocator.h"
#include "model/model.h"
#include "redknot/redknot.h"

namespace redknot {

// Every head global, in the format that options.kv names.
HeadProfile dense_profile(const EngineOptions& options, const Model& model);

// Reads options.profile and holds the model against it. kNotFound, kIo; kInvalidArgument for a file
// that is no profile, or is one of another model. With options.kv named, all heads are kept in it.
Result<ProfileFile> open_profile(const EngineOptions& options, const Model& model,
                                 ThreadPool& threads);

ProfileSummary summarize(const ProfileFile& file);

HeadKv describe(const HeadPolicy& policy);  // without bytes

// Pages for options.max_sequences sequences of `context_tokens` and for options.segment_tokens, or
// as many as options.kv_bytes hold, formats in the proportion that a sequence needs them.
// kInvalidArgument if that is less than one page of a format in use; kResourceExhausted if there
// are more than can be counted.
Result<std::array<int, kKvFormatCount>> pool_pages(const EngineOptions& options,
                                                   const HeadProfile& profile,
                                                   const PageShape& shape, int context_tokens);

}  // namespace redknot
