// SPDX-License-Identifier: Apache-2.0
// A TensorTable hands out the tensors of a model by name, as views, once their type and shape are
// what the model needs. It remembers which were asked for: a tensor nobody asked for belongs to a
// model that RedKnot would run wrongly. It borrows the directory; Model::open uses it on its own
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "model/stored_tensor.h"
#include "redknot/result.h"

namespace redknot {

class TensorTable {
 public:
  // kCorrupt if two tensors have one name.
  static Result<TensorTable> build(std::span<const StoredTensor> tensors);

  const StoredTensor* find(std::string_view name) const;  // nullptr if absent

  // kCorrupt if the tensor is absent or has another shape; kUnsupported if its type does not run.
  Result<TensorView> matrix(const std::string& name, int rows, int columns);
  Result<TensorView> vector(const std::string& name, int size);
  // A tensor [count, rows, columns] as its matrices.
  Result<std::vector<TensorView>> stack(const std::string& name, int count, int rows, int columns);
  // As vector(), but a view without bytes if the tensor is absent.
  Result<TensorView> optional_vector(const std::string& name, int size);

  // Marks a tensor that is known to have no influence.
  void ignore(std::string_view name);
  // kUnsupported naming a tensor that was neither asked for nor ignored.
  Status check_all_used() const;

 private:
  struct Entry {
    const StoredTensor* tensor = nullptr;
    bool used = false;
  };
  Result<const StoredTensor*> take(const std::string& name, std::span<const std::int64_t> shape);

  std::map<std::string_view, Entry> entries_;
};

// "F32, F16, ...": every type that runs.
std::string running_dtypes();

}  // namespace redknot
