// SPDX-License-Identifier: Apache-2.0
// A float32 matrix written row by row as a NumPy file (format 1.0), of any number of rows. Owns the
// open file. `redknot run --logits` owns one and appends the rows that come with each piece of the
// answer, from the main thread.
//
// The header, which states the number of rows, is written by finish(); until then the file does not
// start like a NumPy file and cannot be taken for a whole one. Move-only; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "redknot/redknot.h"

namespace redknot::cli {

class NpyWriter {
 public:
  // Opens the file for writing without changing what it holds. kNotFound or kIo with the system's
  // reason, or for something not a regular file.
  static Result<NpyWriter> open(const std::string& path);
  NpyWriter(NpyWriter&& other) noexcept;
  NpyWriter& operator=(NpyWriter&& other) noexcept;
  ~NpyWriter();

  // Appends whole rows. The first call empties the file. kIo; kInvalidArgument if `values` is not
  // `rows` rows as long as the first ones.
  Status append(std::span<const float> values, int rows);

  // Writes the header and closes. An array of no rows has `columns` columns.
  Status finish(int columns);

 private:
  NpyWriter(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  Status start();
  Status write_at(std::span<const std::byte> bytes, std::uint64_t offset) const;
  Error error(const std::string& cause) const;

  int descriptor_ = -1;
  std::string path_;
  bool started_ = false;
  std::uint64_t rows_ = 0;
  std::uint64_t columns_ = 0;
};

}  // namespace redknot::cli
