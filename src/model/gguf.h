// SPDX-License-Identifier: Apache-2.0
// A Gguf reads GGUF v2 and v3: metadata and the directory of tensors, from bytes nobody vouches
// for.
//
// parse() walks the whole header once and checks it: counts against the bytes that are there,
// lengths, types, alignment, shapes, and that every tensor lies inside the file and none overlaps
// another. Values stay in the mapped bytes, which must outlive the Gguf. What follows from it is
// cheap: lookups by key with the type checked. The readers of configuration, vocabulary and tensors
// look them up while a model opens. It is immutable; const methods may be called from any thread.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/stored_tensor.h"
#include "redknot/result.h"

namespace redknot {

class ByteReader;

inline constexpr std::uint32_t kGgufMagic = 0x46554747;  // "GGUF"
inline constexpr std::size_t kGgufDefaultAlignment = 32;

enum class GgufType : std::uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};

struct GgufValue {
  GgufType type = GgufType::kUint8;  // of the value, or of each element of an array; never kArray
  bool is_array = false;
  std::size_t count = 1;                  // elements
  std::size_t offset = 0;                 // of `bytes` in the file
  std::span<const std::byte> bytes = {};  // encoded; a lone string without its length
};

class Gguf {
 public:
  // kInvalidArgument if it is not a GGUF file; kUnsupported for other versions, big-endian files
  // and nested arrays; kCorrupt naming the field and its offset.
  static Result<Gguf> parse(std::span<const std::byte> file);

  int version() const { return version_; }
  const std::map<std::string_view, GgufValue>& metadata() const { return metadata_; }
  std::span<const StoredTensor> tensors() const { return tensors_; }

  // The value under a key, nothing if the key is absent. kCorrupt, naming key and offset, if it has
  // another type. Integers of every width are integers; numbers are floats or integers.
  Result<std::optional<std::int64_t>> integer(std::string_view key) const;
  Result<std::optional<double>> number(std::string_view key) const;
  Result<std::optional<bool>> boolean(std::string_view key) const;
  Result<std::optional<std::string_view>> text(std::string_view key) const;

  // The elements of an array; nothing if the key is absent.
  Result<std::optional<std::vector<std::int64_t>>> integers(std::string_view key) const;
  Result<std::optional<std::vector<float>>> numbers(std::string_view key) const;
  Result<std::optional<std::vector<std::string_view>>> texts(std::string_view key) const;

 private:
  Status read_metadata(ByteReader& reader, std::uint64_t count);
  Status read_directory(ByteReader& reader, std::uint64_t count);
  Status place_tensors(std::span<const std::byte> file, std::size_t directory_end);

  int version_ = 0;
  std::map<std::string_view, GgufValue> metadata_;
  std::vector<StoredTensor> tensors_;
};

// ggml's numbers for tensor types. Names are empty for numbers never given to a type.
std::string_view ggml_type_name(std::uint32_t code);
std::optional<DType> dtype_from_ggml(std::uint32_t code);
std::uint32_t ggml_type_code(DType dtype);

}  // namespace redknot
