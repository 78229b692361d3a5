// SPDX-License-Identifier: Apache-2.0
#include "model/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace redknot {
namespace {

constexpr int kMaxDimensions = 4;
constexpr std::size_t kMaxKeyBytes = 65535;
constexpr std::int64_t kMaxExtent = std::numeric_limits<std::int32_t>::max();
// The least that an entry can take: length, type and one byte; length, count, one extent, type and
// offset.
constexpr std::size_t kMinMetadataBytes = 8 + 4 + 1;
constexpr std::size_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

// Bytes of one value; 0 for those without a fixed size.
std::size_t fixed_bytes(GgufType type) {
  constexpr std::array<std::size_t, 13> kBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kBytes[static_cast<std::size_t>(type)];
}

std::string_view name(GgufType type) {
  constexpr std::array<std::string_view, 13> kNames = {
      "uint8", "int8", "uint16", "int16",  "uint32", "int32",  "float32",
      "bool",  "text", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A key or name as far as it helps a message.
std::string shown(std::string_view text) {
  constexpr std::size_t kShownBytes = 80;
  std::string out(text.substr(0, kShownBytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text.size() > kShownBytes ? out + "..." : out;
}

Result<std::span<const std::byte>> read_string(ByteReader& reader, std::string_view what) {
  const std::size_t offset = reader.offset();
  REDKNOT_TRY(const auto size, reader.read<std::uint64_t>(what));
  if (size > reader.remaining()) {
    return corrupt(what, " at offset ", offset, " claims ", size, " bytes, ", reader.remaining(),
                   " remain");
  }
  return reader.take(size, what);
}

Result<GgufType> read_type(ByteReader& reader, std::string_view what) {
  const std::size_t offset = reader.offset();
  REDKNOT_TRY(const auto code, reader.read<std::uint32_t>(what));
  if (code > static_cast<std::uint32_t>(GgufType::kFloat64)) {
    return corrupt(what, " at offset ", offset, " has unknown type ", code);
  }
  return static_cast<GgufType>(code);
}

Result<GgufValue> read_array(ByteReader& reader, std::string_view what) {
  REDKNOT_TRY(const GgufType type, read_type(reader, what));
  const std::size_t count_offset = reader.offset();
  if (type == GgufType::kArray) {
    return unsupported(what, " at offset ", count_offset, " is an array of arrays");
  }
  REDKNOT_TRY(const auto count, reader.read<std::uint64_t>(what));
  const std::size_t least = std::max<std::size_t>(fixed_bytes(type), 1);
  const std::size_t element_bytes = type == GgufType::kString ? sizeof(std::uint64_t) : least;
  if (count > reader.remaining() / element_bytes) {
    return corrupt(what, " at offset ", count_offset, " claims ", count, " elements, ",
                   reader.remaining(), " bytes remain");
  }
  GgufValue value{.type = type, .is_array = true, .count = count, .offset = reader.offset()};
  if (type != GgufType::kString) {
    REDKNOT_TRY(value.bytes, reader.take(count * element_bytes, what));
    return value;
  }
  ByteReader strings = reader;
  for (std::size_t i = 0; i < count; ++i) {
    REDKNOT_TRY([[maybe_unused]] const auto text, read_string(strings, what));
  }
  REDKNOT_TRY(value.bytes, reader.take(strings.offset() - reader.offset(), what));
  return value;
}

Result<GgufValue> read_value(ByteReader& reader, std::string_view what) {
  REDKNOT_TRY(const GgufType type, read_type(reader, what));
  if (type == GgufType::kArray) return read_array(reader, what);
  GgufValue value{.type = type};
  if (type == GgufType::kString) {
    REDKNOT_TRY(value.bytes, read_string(reader, what));
    value.offset = reader.offset() - value.bytes.size();
    return value;
  }
  value.offset = reader.offset();
  REDKNOT_TRY(value.bytes, reader.take(fixed_bytes(type), what));
  return value;
}

Result<std::vector<std::int64_t>> read_shape(ByteReader& reader, std::string_view what) {
  const std::size_t offset = reader.offset();
  REDKNOT_TRY(const auto dimensions, reader.read<std::uint32_t>(what));
  if (dimensions < 1 || dimensions > kMaxDimensions) {
    return corrupt(what, " at offset ", offset, " has ", dimensions, " dimensions, expected 1 to ",
                   kMaxDimensions);
  }
  std::vector<std::int64_t> shape(dimensions);
  for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) {
    const std::size_t extent_offset = reader.offset();
    REDKNOT_TRY(const auto value, reader.read<std::uint64_t>(what));
    if (value < 1 || value > kMaxExtent) {
      return corrupt(what, " at offset ", extent_offset, " has an extent of ", value,
                     ", expected 1 to ", kMaxExtent);
    }
    *extent = static_cast<std::int64_t>(value);
  }
  return shape;
}

// Bytes of the tensor's data. Requires a dtype.
Result<std::size_t> data_bytes(const StoredTensor& tensor) {
  const auto row_elements = static_cast<std::size_t>(tensor.shape.back());
  const auto per_block = static_cast<std::size_t>(block_elements(*tensor.dtype));
  if (row_elements % per_block != 0) {
    return corrupt("tensor ", shown(tensor.name), ": rows of ", row_elements,
                   " elements are not a multiple of ", tensor.type, "'s blocks of ", per_block);
  }
  std::size_t bytes = bytes_of(*tensor.dtype, row_elements);
  for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(tensor.shape[i]), &bytes)) {
      return corrupt("tensor ", shown(tensor.name), ": its shape overflows");
    }
  }
  return bytes;
}

std::int64_t integer_at(GgufType type, const std::byte* bytes) {
  const auto load = [bytes](auto value) {
    std::memcpy(&value, bytes, sizeof(value));
    return static_cast<std::int64_t>(value);
  };
  switch (type) {
    case GgufType::kUint8:
      return load(std::uint8_t{});
    case GgufType::kInt8:
      return load(std::int8_t{});
    case GgufType::kUint16:
      return load(std::uint16_t{});
    case GgufType::kInt16:
      return load(std::int16_t{});
    case GgufType::kUint32:
      return load(std::uint32_t{});
    case GgufType::kInt32:
      return load(std::int32_t{});
    default:
      return load(std::int64_t{});
  }
}

double float_at(GgufType type, const std::byte* bytes) {
  if (type == GgufType::kFloat64) {
    double value;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  }
  float value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

bool is_integer(GgufType type) {
  return type <= GgufType::kInt32 || type == GgufType::kUint64 || type == GgufType::kInt64;
}
bool is_float(GgufType type) { return type == GgufType::kFloat32 || type == GgufType::kFloat64; }

Error wrong_type(std::string_view key, const GgufValue& value, std::string_view expected) {
  return corrupt(shown(key), " at offset ", value.offset, " is ",
                 value.is_array ? "an array of " : "", name(value.type), ", expected ", expected);
}

// A uint64 beyond int64 has no use here, and must not become negative.
Status check_uint64(std::string_view key, const GgufValue& value, const std::byte* bytes) {
  if (value.type == GgufType::kUint64 && integer_at(value.type, bytes) < 0) {
    return corrupt(shown(key), " at offset ", value.offset, " is out of range");
  }
  return Done{};
}

}  // namespace

Result<Gguf> Gguf::parse(std::span<const std::byte> file) {
  ByteReader reader(file);
  if (file.size() < sizeof(kGgufMagic)) return invalid("not a GGUF file: ", file.size(), " bytes");
  REDKNOT_TRY(const auto magic, reader.read<std::uint32_t>("magic"));
  if (magic != kGgufMagic) return invalid("not a GGUF file: it does not begin with \"GGUF\"");
  REDKNOT_TRY(const auto version, reader.read<std::uint32_t>("version"));
  if (version != 2 && version != 3) {
    if (version == 0x02000000u || version == 0x03000000u) {
      return unsupported("big-endian GGUF; only little-endian files can be read");
    }
    return unsupported("GGUF version ", version, "; versions 2 and 3 can be read");
  }
  REDKNOT_TRY(const auto tensor_count, reader.read<std::uint64_t>("tensor count"));
  REDKNOT_TRY(const auto metadata_count, reader.read<std::uint64_t>("metadata count"));
  if (metadata_count > reader.remaining() / kMinMetadataBytes) {
    return corrupt("metadata count at offset 16 is ", metadata_count, ", but only ",
                   reader.remaining(), " bytes follow");
  }
  if (tensor_count > reader.remaining() / kMinTensorBytes) {
    return corrupt("tensor count at offset 8 is ", tensor_count, ", but only ", reader.remaining(),
                   " bytes follow");
  }
  Gguf gguf;
  gguf.version_ = static_cast<int>(version);
  REDKNOT_RETURN_IF_ERROR(gguf.read_metadata(reader, metadata_count));
  REDKNOT_RETURN_IF_ERROR(gguf.read_directory(reader, tensor_count));
  REDKNOT_RETURN_IF_ERROR(gguf.place_tensors(file, reader.offset()));
  return gguf;
}

Status Gguf::read_metadata(ByteReader& reader, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t offset = reader.offset();
    REDKNOT_TRY(const auto bytes, read_string(reader, concat("metadata key ", i)));
    const std::string_view key = as_text(bytes);
    if (key.empty() || key.size() > kMaxKeyBytes) {
      return corrupt("metadata key ", i, " at offset ", offset, " has ", key.size(),
                     " bytes, expected 1 to ", kMaxKeyBytes);
    }
    REDKNOT_TRY(const GgufValue value, read_value(reader, shown(key)));
    if (!metadata_.emplace(key, value).second) {
      return corrupt("metadata key ", shown(key), " at offset ", offset, " appears twice");
    }
  }
  return Done{};
}

Status Gguf::read_directory(ByteReader& reader, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    REDKNOT_TRY(const auto name_bytes, read_string(reader, concat("name of tensor ", i)));
    StoredTensor tensor{.name = std::string(as_text(name_bytes))};
    const std::string what = concat("tensor ", shown(tensor.name));
    REDKNOT_TRY(tensor.shape, read_shape(reader, what));
    const std::size_t type_offset = reader.offset();
    REDKNOT_TRY(const auto type, reader.read<std::uint32_t>(what));
    tensor.type = ggml_type_name(type);
    if (tensor.type.empty()) {
      return corrupt(what, " at offset ", type_offset, " has unknown type ", type);
    }
    tensor.dtype = dtype_from_ggml(type);
    REDKNOT_TRY(const auto offset, reader.read<std::uint64_t>(what));
    tensor.offset = offset;
    tensors_.push_back(std::move(tensor));
  }
  return Done{};
}

Status Gguf::place_tensors(std::span<const std::byte> file, std::size_t directory_end) {
  REDKNOT_TRY(const auto given_alignment, integer("general.alignment"));
  const std::int64_t alignment = given_alignment.value_or(kGgufDefaultAlignment);
  if (alignment < 8 || alignment > (1 << 30) ||
      !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
    return corrupt("general.alignment is ", alignment, ", expected a power of two from 8");
  }
  const auto step = static_cast<std::size_t>(alignment);
  const std::size_t data_begin = (directory_end + step - 1) / step * step;
  for (StoredTensor& tensor : tensors_) {
    if (tensor.offset % step != 0) {
      return corrupt("tensor ", shown(tensor.name), ": offset ", tensor.offset,
                     " is not a multiple of the alignment ", step);
    }
    const std::size_t available = file.size() > data_begin ? file.size() - data_begin : 0;
    if (tensor.offset >= available) {
      return corrupt("tensor ", shown(tensor.name), ": offset ", tensor.offset,
                     " of the data, which begins at ", data_begin, ", is past the end of the file");
    }
    const std::size_t relative = tensor.offset;
    tensor.offset += data_begin;
    if (!tensor.dtype) continue;
    REDKNOT_TRY(const std::size_t bytes, data_bytes(tensor));
    if (bytes > available - relative) {
      return corrupt("tensor ", shown(tensor.name), " at offset ", tensor.offset, " ends ",
                     bytes - (available - relative), " bytes past the file");
    }
    tensor.bytes = file.subspan(tensor.offset, bytes);
  }
  std::vector<const StoredTensor*> order;
  for (const StoredTensor& tensor : tensors_) order.push_back(&tensor);
  std::ranges::sort(order, {}, &StoredTensor::offset);
  for (std::size_t i = 1; i < order.size(); ++i) {
    // A type that is not run has no known size, but has at least one byte.
    const std::size_t end =
        order[i - 1]->offset + std::max<std::size_t>(order[i - 1]->bytes.size(), 1);
    if (order[i]->offset < end) {
      return corrupt("tensor ", shown(order[i]->name), " at offset ", order[i]->offset,
                     " overlaps tensor ", shown(order[i - 1]->name));
    }
  }
  return Done{};
}

Result<std::optional<std::int64_t>> Gguf::integer(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::optional<std::int64_t>();
  const GgufValue& value = found->second;
  if (value.is_array || !is_integer(value.type)) return wrong_type(key, value, "an integer");
  REDKNOT_RETURN_IF_ERROR(check_uint64(key, value, value.bytes.data()));
  return std::optional(integer_at(value.type, value.bytes.data()));
}

Result<std::optional<double>> Gguf::number(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::optional<double>();
  const GgufValue& value = found->second;
  if (!value.is_array && is_float(value.type)) {
    return std::optional(float_at(value.type, value.bytes.data()));
  }
  if (value.is_array || !is_integer(value.type)) return wrong_type(key, value, "a number");
  return std::optional(static_cast<double>(integer_at(value.type, value.bytes.data())));
}

Result<std::optional<bool>> Gguf::boolean(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::optional<bool>();
  const GgufValue& value = found->second;
  if (value.is_array || value.type != GgufType::kBool) return wrong_type(key, value, "a bool");
  return std::optional(value.bytes[0] != std::byte{0});
}

Result<std::optional<std::string_view>> Gguf::text(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::optional<std::string_view>();
  const GgufValue& value = found->second;
  if (value.is_array || value.type != GgufType::kString) return wrong_type(key, value, "text");
  return std::optional(as_text(value.bytes));
}

Result<std::optional<std::vector<std::int64_t>>> Gguf::integers(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::optional<std::vector<std::int64_t>>();
  const GgufValue& value = found->second;
  if (!value.is_array || !is_integer(value.type)) {
    return wrong_type(key, value, "an array of integers");
  }
  std::vector<std::int64_t> out(value.count);
  for (std::size_t i = 0; i < value.count; ++i) {
    const std::byte* bytes = value.bytes.data() + i * fixed_bytes(value.type);
    REDKNOT_RETURN_IF_ERROR(check_uint64(key, value, bytes));
    out[i] = integer_at(value.type, bytes);
  }
  return std::optional(std::move(out));
}

Result<std::optional<std::vector<float>>> Gguf::numbers(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::optional<std::vector<float>>();
  const GgufValue& value = found->second;
  if (!value.is_array || !is_float(value.type)) {
    return wrong_type(key, value, "an array of floats");
  }
  std::vector<float> out(value.count);
  for (std::size_t i = 0; i < value.count; ++i) {
    const std::byte* bytes = value.bytes.data() + i * fixed_bytes(value.type);
    out[i] = static_cast<float>(float_at(value.type, bytes));
  }
  return std::optional(std::move(out));
}

Result<std::optional<std::vector<std::string_view>>> Gguf::texts(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::optional<std::vector<std::string_view>>();
  const GgufValue& value = found->second;
  if (!value.is_array || value.type != GgufType::kString) {
    return wrong_type(key, value, "an array of text");
  }
  std::vector<std::string_view> out(value.count);
  ByteReader reader(value.bytes);
  for (std::string_view& text : out) {
    REDKNOT_TRY(const auto bytes, read_string(reader, key));
    text = as_text(bytes);
  }
  return std::optional(std::move(out));
}

}  // namespace redknot
