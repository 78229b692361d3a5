// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "model/json.h"

namespace redknot {
namespace {

constexpr std::size_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr std::size_t kMostDimensions = 8;
constexpr std::uint64_t kMostInExtent = std::numeric_limits<std::int32_t>::max();

std::optional<DType> dtype_of(std::string_view type) {
  if (type == "F32") return DType::kF32;
  if (type == "F16") return DType::kF16;
  if (type == "BF16") return DType::kBF16;
  return std::nullopt;
}

Result<std::vector<std::int64_t>> read_shape(const Json* shape, const std::string& what) {
  if (shape == nullptr || !shape->is_array() || shape->size() > kMostDimensions) {
    return corrupt(what, ": shape is not an array of at most ", kMostDimensions, " extents");
  }
  std::vector<std::int64_t> out;
  for (const Json& extent : *shape) {
    if (!extent.is_number_unsigned() || extent.get<std::uint64_t>() < 1 ||
        extent.get<std::uint64_t>() > kMostInExtent) {
      return corrupt(what, ": shape has an extent that is not in 1 to ", kMostInExtent);
    }
    out.push_back(extent.get<std::int64_t>());
  }
  if (out.empty()) out.push_back(1);  // a lone number
  return out;
}

// Bytes by shape and type. Requires a dtype.
Result<std::size_t> expected_bytes(const StoredTensor& tensor, const std::string& what) {
  auto bytes = static_cast<std::size_t>(block_bytes(*tensor.dtype));
  for (const std::int64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(extent), &bytes)) {
      return corrupt(what, ": its shape overflows");
    }
  }
  return bytes;
}

Result<StoredTensor> read_tensor(const std::string& name, const Json& entry,
                                 std::span<const std::byte> file, std::size_t data_begin) {
  const std::string what = "tensor " + name.substr(0, 80);
  const FileFields fields = file_fields(entry, what);
  REDKNOT_TRY(auto type, fields.optional_text("dtype"));
  if (!type) return corrupt(what, " has no dtype");
  StoredTensor tensor{.name = name, .type = std::move(*type)};
  tensor.dtype = dtype_of(tensor.type);
  REDKNOT_TRY(tensor.shape, read_shape(fields.find("shape"), what));
  const Json* offsets = fields.find("data_offsets");
  if (offsets == nullptr || !offsets->is_array() || offsets->size() != 2 ||
      !(*offsets)[0].is_number_unsigned() || !(*offsets)[1].is_number_unsigned()) {
    return corrupt(what, ": data_offsets are not two numbers");
  }
  const auto begin = (*offsets)[0].get<std::uint64_t>();
  const auto end = (*offsets)[1].get<std::uint64_t>();
  const std::size_t data_bytes = file.size() - data_begin;
  if (begin > end || end > data_bytes) {
    return corrupt(what, ": data_offsets ", begin, " to ", end, " are not within the ", data_bytes,
                   " bytes of data, which begin at offset ", data_begin);
  }
  tensor.offset = data_begin + begin;
  if (!tensor.dtype) return tensor;
  REDKNOT_TRY(const std::size_t bytes, expected_bytes(tensor, what));
  if (bytes != end - begin) {
    return corrupt(what, " at offset ", tensor.offset, " has ", end - begin, " bytes, its shape ",
                   bytes);
  }
  tensor.bytes = file.subspan(tensor.offset, bytes);
  return tensor;
}

}  // namespace

Result<std::vector<StoredTensor>> read_safetensors(std::span<const std::byte> file) {
  ByteReader reader(file);
  REDKNOT_TRY(const auto header_bytes, reader.read<std::uint64_t>("header length"));
  if (header_bytes > std::min(kMaxHeaderBytes, reader.remaining())) {
    return corrupt("header length at offset 0 is ", header_bytes, ", but only ", reader.remaining(),
                   " bytes follow, and ", kMaxHeaderBytes, " are allowed");
  }
  REDKNOT_TRY(const auto header, reader.take(header_bytes, "header"));
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  REDKNOT_TRY(const Json root, parse_json_object(text, "the header at offset 8"));
  const std::size_t data_begin = reader.offset();
  std::vector<StoredTensor> tensors;
  for (const auto& [name, entry] : root.items()) {
    if (name == "__metadata__") continue;
    REDKNOT_TRY(StoredTensor tensor, read_tensor(name, entry, file, data_begin));
    tensors.push_back(std::move(tensor));
  }
  std::ranges::sort(tensors, {}, &StoredTensor::offset);
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].offset < tensors[i - 1].offset + tensors[i - 1].bytes.size()) {
      return corrupt("tensor ", tensors[i].name.substr(0, 80), " at offset ", tensors[i].offset,
                     " overlaps tensor ", tensors[i - 1].name.substr(0, 80));
    }
  }
  return tensors;
}

}  // namespace redknot
