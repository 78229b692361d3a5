// SPDX-License-Identifier: Apache-2.0
#include "tests/models/gguf_writer.h"

#include <cstring>

#include "base/check.h"

namespace redknot {
namespace {

template <typename T>
void append(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void append_string(std::string& out, std::string_view text) {
  append<std::uint64_t>(out, text.size());
  out += text;
}

}  // namespace

void GgufWriter::put_key(std::string_view key, GgufType type) {
  append_string(metadata_, key);
  append(metadata_, static_cast<std::uint32_t>(type));
  ++metadata_count_;
}

void GgufWriter::put_array(std::string_view key, GgufType type, std::size_t count) {
  put_key(key, GgufType::kArray);
  append(metadata_, static_cast<std::uint32_t>(type));
  append<std::uint64_t>(metadata_, count);
}

void GgufWriter::put_integer(std::string_view key, std::uint32_t value) {
  put_key(key, GgufType::kUint32);
  append(metadata_, value);
}

void GgufWriter::put_number(std::string_view key, float value) {
  put_key(key, GgufType::kFloat32);
  append(metadata_, value);
}

void GgufWriter::put_bool(std::string_view key, bool value) {
  put_key(key, GgufType::kBool);
  append<std::uint8_t>(metadata_, value ? 1 : 0);
}

void GgufWriter::put_text(std::string_view key, std::string_view value) {
  put_key(key, GgufType::kString);
  append_string(metadata_, value);
}

void GgufWriter::put_texts(std::string_view key, std::span<const std::string> values) {
  put_array(key, GgufType::kString, values.size());
  for (const std::string& value : values) append_string(metadata_, value);
}

void GgufWriter::put_integers(std::string_view key, std::span<const std::int32_t> values) {
  put_array(key, GgufType::kInt32, values.size());
  for (const std::int32_t value : values) append(metadata_, value);
}

void GgufWriter::put_numbers(std::string_view key, std::span<const float> values) {
  put_array(key, GgufType::kFloat32, values.size());
  for (const float value : values) append(metadata_, value);
}

std::size_t GgufWriter::add_tensor(std::string_view name, DType dtype,
                                   std::span<const std::int64_t> shape) {
  REDKNOT_CHECK(!shape.empty() && shape.size() <= 4);
  REDKNOT_CHECK(shape.back() % block_elements(dtype) == 0);
  append_string(directory_, name);
  append<std::uint32_t>(directory_, static_cast<std::uint32_t>(shape.size()));
  std::size_t elements = 1;
  for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) {
    append<std::uint64_t>(directory_, static_cast<std::uint64_t>(*extent));
    elements *= static_cast<std::size_t>(*extent);
  }
  append(directory_, ggml_type_code(dtype));
  append<std::uint64_t>(directory_, data_bytes_);
  ++tensor_count_;
  const std::size_t bytes = bytes_of(dtype, elements);
  data_bytes_ += padded(bytes);
  return bytes;
}

std::vector<std::byte> GgufWriter::header() const {
  std::string out;
  append(out, kGgufMagic);
  append<std::uint32_t>(out, 3);
  append(out, tensor_count_);
  append(out, metadata_count_);
  out += metadata_;
  out += directory_;
  out.resize(padded(out.size()));
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

}  // namespace redknot
