// SPDX-License-Identifier: Apache-2.0
// A tensor as the directory of a model file describes it, whatever the file's format. A value; its
// bytes belong to the mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace redknot {

struct StoredTensor {
  std::string name = {};
  std::string type = {};                  // as the format spells it: "Q4_K", "IQ2_XS", "F8_E4M3"
  std::optional<DType> dtype = {};        // nothing for types that RedKnot does not run
  std::vector<std::int64_t> shape = {};   // outermost first; every extent > 0
  std::size_t offset = 0;                 // of the data, from the beginning of the file
  std::span<const std::byte> bytes = {};  // exactly the data; empty without a dtype
};

}  // namespace redknot
