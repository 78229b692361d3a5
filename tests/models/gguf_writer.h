// SPDX-License-Identifier: Apache-2.0
// A GgufWriter owns the header of a GGUF v3 file that is to be written: metadata and the directory
// of tensors. The data of the tensors follows it, in the order in which they were added, each
// padded to the alignment; whoever has the data writes it, so that files larger than memory can be
// written. Tools and tests write files with it, on one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf.h"
#include "tensor/dtype.h"

namespace redknot {

class GgufWriter {
 public:
  void put_integer(std::string_view key, std::uint32_t value);
  void put_number(std::string_view key, float value);
  void put_bool(std::string_view key, bool value);
  void put_text(std::string_view key, std::string_view value);
  void put_texts(std::string_view key, std::span<const std::string> values);
  void put_integers(std::string_view key, std::span<const std::int32_t> values);
  void put_numbers(std::string_view key, std::span<const float> values);

  // Shape outermost first, rows a multiple of the type's block. Returns the bytes of its data,
  // without padding.
  std::size_t add_tensor(std::string_view name, DType dtype, std::span<const std::int64_t> shape);

  // Everything before the data of the first tensor, padding included.
  std::vector<std::byte> header() const;
  // Of all tensors, padding included.
  std::size_t data_bytes() const { return data_bytes_; }

  static std::size_t padded(std::size_t bytes) {
    return (bytes + kGgufDefaultAlignment - 1) / kGgufDefaultAlignment * kGgufDefaultAlignment;
  }

 private:
  void put_key(std::string_view key, GgufType type);
  void put_array(std::string_view key, GgufType type, std::size_t count);

  std::string metadata_, directory_;
  std::uint64_t metadata_count_ = 0, tensor_count_ = 0;
  std::size_t data_bytes_ = 0;
};

}  // namespace redknot
