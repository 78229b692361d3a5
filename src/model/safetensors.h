// SPDX-License-Identifier: Apache-2.0
// Reads the header of a safetensors file, from bytes nobody vouches for.
//
// Layout: the header's length (8 bytes), the header (JSON: name -> dtype, shape, data_offsets), the
// data. Format: https://github.com/huggingface/safetensors
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/stored_tensor.h"
#include "redknot/result.h"

namespace redknot {

// The tensors, sorted by offset; their bytes lie in `file`, not necessarily aligned. kCorrupt names
// the tensor and the offset: lengths, shapes, data outside the file or shared by two tensors.
Result<std::vector<StoredTensor>> read_safetensors(std::span<const std::byte> file);

}  // namespace redknot
