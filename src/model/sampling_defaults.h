// SPDX-License-Identifier: Apache-2.0
// How a model's files say it should be sampled.
//
// From GGUF metadata general.sampling.* (llama.cpp's names: temp, top_k, top_p, min_p,
// penalty_repeat, penalty_last_n), or from generation_config.json (vLLM reads the same of it:
// temperature, top_k, top_p, min_p, repetition_penalty). A value of another type or out of range
// makes all of them refused, by name: the model runs, whoever wants its defaults is told.
#pragma once

#include <string_view>

#include "model/gguf.h"
#include "redknot/sampling.h"

namespace redknot {

SamplingDefaults sampling_from_gguf(const Gguf& gguf);

// An empty text is a file that is not there.
SamplingDefaults sampling_from_json(std::string_view generation_config);

}  // namespace redknot
