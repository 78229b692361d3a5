// SPDX-License-Identifier: Apache-2.0
// A safetensors file: header, shapes, and where the data lies.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::byte> file(reinterpret_cast<const std::byte*>(data),
                                    reinterpret_cast<const std::byte*>(data) + size);
  const auto tensors = redknot::read_safetensors(file);
  if (!tensors.ok()) return 0;
  for (const redknot::StoredTensor& tensor : *tensors) {
    if (tensor.bytes.empty()) continue;
    volatile std::byte ends = tensor.bytes.front() ^ tensor.bytes.back();
    (void)ends;
    if (tensor.bytes.size() > size) std::abort();
  }
  return 0;
}
