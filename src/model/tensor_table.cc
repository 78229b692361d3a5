// SPDX-License-Identifier: Apache-2.0
#include "model/tensor_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

std::string shown_shape(std::span<const std::int64_t> shape) {
  std::string out = "[";
  for (const std::int64_t extent : shape) {
    out += concat(out.size() > 1 ? ", " : "", extent);
  }
  return out + "]";
}

TensorView view_of(const StoredTensor& tensor, std::span<const std::byte> bytes, int rows,
                   int columns) {
  return {.name = tensor.name,
          .dtype = *tensor.dtype,
          .rows = rows,
          .columns = columns,
          .bytes = bytes};
}

}  // namespace

std::string running_dtypes() {
  std::string out;
  for (int i = 0; i < kDTypeCount; ++i) {
    out += concat(i ? ", " : "", name(static_cast<DType>(i)));
  }
  return out;
}

Result<TensorTable> TensorTable::build(std::span<const StoredTensor> tensors) {
  TensorTable table;
  for (const StoredTensor& tensor : tensors) {
    if (!table.entries_.emplace(tensor.name, Entry{.tensor = &tensor}).second) {
      return corrupt("tensor ", tensor.name.substr(0, 80), " appears twice");
    }
  }
  return table;
}

const StoredTensor* TensorTable::find(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second.tensor;
}

Result<const StoredTensor*> TensorTable::take(const std::string& name,
                                              std::span<const std::int64_t> shape) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return corrupt("tensor ", name, " is missing");
  found->second.used = true;
  const StoredTensor& tensor = *found->second.tensor;
  if (!tensor.dtype) {
    return unsupported("tensor ", name, " is of type ", tensor.type,
                       "; these run: ", running_dtypes());
  }
  if (!std::ranges::equal(tensor.shape, shape)) {
    return corrupt("tensor ", name, " at offset ", tensor.offset, " has shape ",
                   shown_shape(tensor.shape), ", expected ", shown_shape(shape));
  }
  return &tensor;
}

Result<TensorView> TensorTable::matrix(const std::string& name, int rows, int columns) {
  REDKNOT_TRY(const StoredTensor* tensor, take(name, std::array<std::int64_t, 2>{rows, columns}));
  return view_of(*tensor, tensor->bytes, rows, columns);
}

Result<TensorView> TensorTable::vector(const std::string& name, int size) {
  REDKNOT_TRY(const StoredTensor* tensor, take(name, std::array<std::int64_t, 1>{size}));
  return view_of(*tensor, tensor->bytes, 1, size);
}

Result<TensorView> TensorTable::optional_vector(const std::string& name, int size) {
  if (find(name) == nullptr) return TensorView{};
  return vector(name, size);
}

Result<std::vector<TensorView>> TensorTable::stack(const std::string& name, int count, int rows,
                                                   int columns) {
  REDKNOT_TRY(const StoredTensor* tensor,
              take(name, std::array<std::int64_t, 3>{count, rows, columns}));
  const std::size_t bytes = tensor->bytes.size() / static_cast<std::size_t>(count);
  std::vector<TensorView> out;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    out.push_back(view_of(*tensor, tensor->bytes.subspan(i * bytes, bytes), rows, columns));
  }
  return out;
}

void TensorTable::ignore(std::string_view name) {
  const auto found = entries_.find(name);
  if (found != entries_.end()) found->second.used = true;
}

Status TensorTable::check_all_used() const {
  for (const auto& [name, entry] : entries_) {
    if (!entry.used) {
      return unsupported("tensor ", name.substr(0, 80),
                         " is none of this architecture's; without it answers would be wrong");
    }
  }
  return Done{};
}

std::span<const std::byte> TensorView::row(int index) const {
  REDKNOT_CHECK(index >= 0 && index < rows);
  const std::size_t row_bytes = bytes_of(dtype, static_cast<std::size_t>(columns));
  return bytes.subspan(static_cast<std::size_t>(index) * row_bytes, row_bytes);
}

std::vector<float> TensorView::floats() const {
  std::vector<float> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  if (!values.empty()) dequantize(dtype, bytes, values);
  return values;
}

}  // namespace redknot
