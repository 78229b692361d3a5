// SPDX-License-Identifier: Apache-2.0
#include "tests/models/random_model.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numbers>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/mix_bits.h"
#include "tests/models/gguf_writer.h"
#include "tests/models/quantize.h"
#include "tests/models/random_vocabulary.h"

namespace redknot {
namespace {

// What the values of a tensor are drawn from: a normal distribution.
struct Plan {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;  // outermost first
  float mean, deviation;
};

// ---- Types ----

// What llama-quantize takes where rows are no multiple of a type's blocks.
DType fitting(DType dtype, int columns) {
  if (columns % block_elements(dtype) == 0) return dtype;
  DType next = DType::kF16;
  if (dtype == DType::kQ2_K || dtype == DType::kQ3_K) next = DType::kQ4_0;
  if (dtype == DType::kQ4_K) next = DType::kQ5_0;
  if (dtype == DType::kQ5_K) next = DType::kQ5_1;
  if (dtype == DType::kQ6_K) next = DType::kQ8_0;
  return fitting(next, columns);
}

struct Types {
  DType matrices;
  DType output;     // of the matrix that makes the logits
  DType many_bits;  // of some value and down matrices
};

Result<Types> types_of(const RandomModelOptions& options) {
  if (options.type == "Q4_K_M") {
    if (options.pure) return invalid("Q4_K_M is a mixture; it cannot be pure");
    return Types{DType::kQ4_K, DType::kQ6_K, DType::kQ6_K};
  }
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (name(dtype) != options.type) continue;
    const bool keeps = options.pure || block_elements(dtype) == 1 || dtype == DType::kQ8_0;
    return Types{dtype, keeps ? dtype : DType::kQ6_K, dtype};
  }
  return invalid("unknown type ", options.type, "; a dtype's name or Q4_K_M");
}

// The layers to which Q4_K_M gives more bits: the first and last eighth, and every third between.
bool has_many_bits(int layer, int layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

// ---- Tensors ----

class Planner {
 public:
  Planner(const ModelShape& shape, const Types& types) : shape_(shape), types_(types) {}

  std::vector<Plan> plan() &&;

 private:
  void matrix(std::string name, DType dtype, int rows, int columns, int count = 0) {
    std::vector<std::int64_t> extents = {rows, columns};
    if (count > 0) extents.insert(extents.begin(), count);
    // Sums over a row of inputs near one stay near one.
    const float deviation = 1.0f / std::sqrt(static_cast<float>(columns));
    plans_.push_back({std::move(name), fitting(dtype, columns), extents, 0.0f, deviation});
  }
  void vector(std::string name, int size, float mean) {
    plans_.push_back({std::move(name), DType::kF32, {size}, mean, 0.1f});
  }
  void logits(std::string name, DType dtype) {
    matrix(std::move(name), dtype, shape_.vocabulary_size, shape_.hidden_size);
    plans_.back().deviation *= 3.0f;  // of a logit
  }
  void layer(int index);
  void ffn(const std::string& prefix, DType down);

  const ModelShape& shape_;
  const Types& types_;
  std::vector<Plan> plans_;
};

void Planner::ffn(const std::string& prefix, DType down) {
  const int hidden_size = shape_.hidden_size, intermediate_size = shape_.intermediate_size;
  vector(prefix + "ffn_norm.weight", hidden_size, 1.0f);
  if (shape_.experts > 0)
    matrix(prefix + "ffn_gate_inp.weight", DType::kF32, shape_.experts, hidden_size);
  const std::string suffix = shape_.experts > 0 ? "_exps.weight" : ".weight";
  matrix(prefix + "ffn_gate" + suffix, types_.matrices, intermediate_size, hidden_size,
         shape_.experts);
  matrix(prefix + "ffn_up" + suffix, types_.matrices, intermediate_size, hidden_size,
         shape_.experts);
  matrix(prefix + "ffn_down" + suffix, down, hidden_size, intermediate_size, shape_.experts);
}

void Planner::layer(int index) {
  const std::string prefix = concat("blk.", index, ".");
  const int hidden_size = shape_.hidden_size;
  const int query_rows = shape_.query_heads * shape_.head_dim;
  const int kv_rows = shape_.kv_heads * shape_.head_dim;
  const DType many_bits = has_many_bits(index, shape_.layers) ? types_.many_bits : types_.matrices;
  vector(prefix + "attn_norm.weight", hidden_size, 1.0f);
  matrix(prefix + "attn_q.weight", types_.matrices, query_rows, hidden_size);
  matrix(prefix + "attn_k.weight", types_.matrices, kv_rows, hidden_size);
  matrix(prefix + "attn_v.weight", many_bits, kv_rows, hidden_size);
  matrix(prefix + "attn_output.weight", types_.matrices, hidden_size, query_rows);
  if (shape_.architecture == Architecture::kQwen2) {
    vector(prefix + "attn_q.bias", query_rows, 0.0f);
    vector(prefix + "attn_k.bias", kv_rows, 0.0f);
    vector(prefix + "attn_v.bias", kv_rows, 0.0f);
  }
  if (shape_.architecture == Architecture::kQwen3 ||
      shape_.architecture == Architecture::kQwen3Moe) {
    vector(prefix + "attn_q_norm.weight", shape_.head_dim, 1.0f);
    vector(prefix + "attn_k_norm.weight", shape_.head_dim, 1.0f);
  }
  ffn(prefix, many_bits);
}

std::vector<Plan> Planner::plan() && {
  logits("token_embd.weight", shape_.tied ? types_.output : types_.matrices);
  vector("output_norm.weight", shape_.hidden_size, 1.0f);
  if (!shape_.tied) logits("output.weight", types_.output);
  if (shape_.llama3_factor > 0.0f) vector("rope_freqs.weight", shape_.head_dim / 2, 1.0f);
  for (int index = 0; index < shape_.layers; ++index) layer(index);
  return std::move(plans_);
}

// ---- Values ----

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * kGoldenGamma + 1) {
    for (std::size_t i = 0; i < normals_.size(); i += 2) {  // Box and Muller
      const double radius = std::sqrt(-2.0 * std::log((next() >> 11) * 0x1p-53 + 0x1p-54));
      const double angle = 2.0 * std::numbers::pi * ((next() >> 11) * 0x1p-53);
      normals_[i] = static_cast<float>(radius * std::cos(angle));
      normals_[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
  }

  std::uint64_t next() { return mix_bits(state_ += kGoldenGamma); }

  // From a table: four values for one number.
  void fill(std::span<float> out, float mean, float deviation) {
    for (std::size_t i = 0; i < out.size(); i += 4) {
      std::uint64_t bits = next();
      for (std::size_t j = i; j < std::min(i + 4, out.size()); ++j, bits >>= 16) {
        out[j] = mean + deviation * normals_[bits % normals_.size()];
      }
    }
  }

 private:
  std::uint64_t state_;
  std::array<float, 1 << 14> normals_;
};

bool is_prime(std::size_t n) {
  for (std::size_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return n > 1;
}

using Sink = std::function<Status(std::span<const std::byte>)>;

// Writes a tensor by repeating a stretch of random blocks. The number of blocks is a prime of at
// least the number of rows, so that every row begins elsewhere in the stretch and none equals
// another.
Status write_values(const Plan& plan, Random& random, const Sink& sink) {
  constexpr std::size_t kLeastElements = std::size_t{1} << 18;
  std::size_t elements = 1;
  for (const std::int64_t extent : plan.shape) elements *= static_cast<std::size_t>(extent);
  const auto columns = static_cast<std::size_t>(plan.shape.back());
  const auto block =
      static_cast<std::size_t>(std::max(block_elements(plan.dtype), columns % 32 == 0 ? 32 : 1));
  std::size_t blocks = std::max(elements / columns, kLeastElements / block);
  while (!is_prime(blocks)) ++blocks;
  blocks = std::min(blocks, elements / block);
  std::vector<float> values(blocks * block);
  random.fill(values, plan.mean, plan.deviation);
  std::vector<std::byte> stretch(bytes_of(plan.dtype, values.size()));
  quantize(plan.dtype, values, stretch);
  const std::size_t total = bytes_of(plan.dtype, elements);
  for (std::size_t written = 0; written < total;) {
    const std::size_t part = std::min(stretch.size(), total - written);
    REDKNOT_RETURN_IF_ERROR(sink(std::span(stretch).first(part)));
    written += part;
  }
  const std::vector<std::byte> padding(GgufWriter::padded(total) - total);
  return padding.empty() ? Done{} : sink(padding);
}

// Llama-3's divisors are no random numbers: see read_llama3 in config_json.cc for the formula.
Status write_divisors(const ModelShape& shape, const Sink& sink) {
  const int size = shape.head_dim / 2;
  std::vector<float> divisors(GgufWriter::padded(static_cast<std::size_t>(size) * 4) / 4);
  for (int i = 0; i < size; ++i) {
    const double turns =
        8192.0 / (2.0 * std::numbers::pi * std::pow(shape.rope_base, 2.0 * i / shape.head_dim));
    const double kept = std::clamp((turns - 1.0) / 3.0, 0.0, 1.0);
    divisors[static_cast<std::size_t>(i)] =
        static_cast<float>(1.0 / ((1.0 - kept) / shape.llama3_factor + kept));
  }
  return sink(std::as_bytes(std::span(divisors)));
}

// ---- The file ----

void put_metadata(const RandomModelOptions& options, GgufWriter& writer) {
  const ModelShape& shape = options.shape;
  const std::string_view architecture = name(shape.architecture);
  const auto put = [&](const char* key, int value) {
    writer.put_integer(concat(architecture, ".", key), static_cast<std::uint32_t>(value));
  };
  writer.put_text("general.architecture", architecture);
  writer.put_text("general.name", concat(shape.name, " (random weights)"));
  put("block_count", shape.layers);
  put("context_length", shape.context_tokens);
  put("embedding_length", shape.hidden_size);
  put("feed_forward_length", shape.intermediate_size * std::max(1, shape.experts_per_token));
  put("attention.head_count", shape.query_heads);
  put("attention.head_count_kv", shape.kv_heads);
  put("attention.key_length", shape.head_dim);
  put("attention.value_length", shape.head_dim);
  put("rope.dimension_count", shape.head_dim);
  put("vocab_size", shape.vocabulary_size);
  if (shape.experts > 0) {
    put("expert_count", shape.experts);
    put("expert_used_count", shape.experts_per_token);
    put("expert_feed_forward_length", shape.intermediate_size);
  }
  writer.put_number(concat(architecture, ".attention.layer_norm_rms_epsilon"), shape.epsilon);
  writer.put_number(concat(architecture, ".rope.freq_base"), shape.rope_base);
  const bool llama = shape.architecture == Architecture::kLlama;
  const bool llama3 = llama && shape.vocabulary_size > 100'000;
  put_random_vocabulary(writer, shape.vocabulary_size,
                        !llama   ? "qwen2"
                        : llama3 ? "llama-bpe"
                                 : "gpt-2",
                        llama);
}

Status check_shape(const ModelShape& shape) {
  const std::pair<const char*, int> counts[] = {
      {"layers", shape.layers},           {"hidden_size", shape.hidden_size},
      {"query heads", shape.query_heads}, {"KV heads", shape.kv_heads},
      {"head size", shape.head_dim},      {"intermediate size", shape.intermediate_size},
      {"context", shape.context_tokens}};
  for (const auto& [what, count] : counts) {
    if (count < 1) return invalid("a shape with ", count, " ", what);
  }
  if (shape.vocabulary_size < kMinRandomVocabulary ||
      shape.vocabulary_size > kMaxRandomVocabulary) {
    return invalid("a vocabulary of ", shape.vocabulary_size, ", expected ", kMinRandomVocabulary,
                   " to ", kMaxRandomVocabulary);
  }
  return Done{};
}

Status write_model(const RandomModelOptions& options, const Sink& sink,
                   const std::function<void(double)>& progress) {
  REDKNOT_RETURN_IF_ERROR(check_shape(options.shape));
  REDKNOT_TRY(const Types types, types_of(options));
  const std::vector<Plan> plans = Planner(options.shape, types).plan();
  GgufWriter writer;
  put_metadata(options, writer);
  std::vector<std::size_t> sizes;
  sizes.reserve(plans.size());
  for (const Plan& plan : plans)
    sizes.push_back(writer.add_tensor(plan.name, plan.dtype, plan.shape));
  REDKNOT_RETURN_IF_ERROR(sink(writer.header()));
  Random random(options.seed);
  std::size_t written = 0;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto status = plans[i].name == "rope_freqs.weight" ? write_divisors(options.shape, sink)
                                                             : write_values(plans[i], random, sink);
    REDKNOT_RETURN_IF_ERROR(status);
    written += GgufWriter::padded(sizes[i]);
    progress(static_cast<double>(written) / static_cast<double>(writer.data_bytes()));
  }
  return Done{};
}

}  // namespace

Status write_random_model(const RandomModelOptions& options, const std::filesystem::path& path,
                          const std::function<void(double)>& progress) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return io_error("write ", path, ": ", std::strerror(errno));
  auto status = write_model(
      options,
      [&](std::span<const std::byte> bytes) -> Status {
        if (std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size()) return Done{};
        return io_error("write ", path, ": ", std::strerror(errno));
      },
      progress);
  if (std::fclose(file) != 0 && status.ok()) {
    status = io_error("write ", path, ": ", std::strerror(errno));
  }
  if (!status.ok()) std::remove(path.c_str());
  return status;
}

Result<std::vector<std::byte>> random_model_bytes(const RandomModelOptions& options) {
  std::vector<std::byte> out;
  REDKNOT_RETURN_IF_ERROR(write_model(
      options,
      [&](std::span<const std::byte> bytes) -> Status {
        out.insert(out.end(), bytes.begin(), bytes.end());
        return Done{};
      },
      [](double) {}));
  return out;
}

}  // namespace redknot
