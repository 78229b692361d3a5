// SPDX-License-Identifier: Apache-2.0
#include "model/model_parts.h"

#include <set>
#include <utility>

#include "base/error.h"
#include "model/config_files.h"
#include "model/json.h"
#include "model/safetensors.h"
#include "model/sampling_defaults.h"
#include "model/weights.h"

namespace redknot {
namespace {

constexpr std::size_t kMaxShards = 1000;

bool is_plain_shard_name(const std::string& name) {
  return name.ends_with(".safetensors") && name.size() < 256 &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

}  // namespace

Result<ModelParts> assemble(ModelParts parts, const WeightRules& rules,
                            std::span<const StoredTensor> tensors) {
  const std::size_t tokens = parts.vocabulary.tokens.size();
  if (tokens > static_cast<std::size_t>(parts.config.vocabulary_size)) {
    return corrupt("the tokenizer has ", tokens, " tokens, but the embedding only ",
                   parts.config.vocabulary_size, " rows");
  }
  REDKNOT_TRY(TensorTable table, TensorTable::build(tensors));
  if (!parts.config.rope.frequency_divisors.empty()) table.ignore("rope_freqs.weight");
  REDKNOT_TRY(parts.weights, bind_weights(parts.config, rules, table));
  for (const StoredTensor& tensor : tensors) {
    if (!tensor.dtype) continue;
    parts.tensors.push_back({tensor.name, *tensor.dtype, tensor.shape, tensor.bytes.size()});
  }
  return parts;
}

Result<ModelParts> model_from_gguf(std::span<const std::byte> file) {
  REDKNOT_TRY(const Gguf gguf, Gguf::parse(file));
  ModelParts parts;
  parts.format = concat("GGUF v", gguf.version());
  REDKNOT_TRY(parts.config, config_from_gguf(gguf));
  REDKNOT_TRY(parts.vocabulary, vocabulary_from_gguf(gguf));
  parts.sampling = sampling_from_gguf(gguf);
  bool has_output = false;
  for (const StoredTensor& tensor : gguf.tensors()) has_output |= tensor.name == "output.weight";
  const WeightRules rules{
      .naming = WeightNaming::kGguf,
      .tied = !has_output,
      .query_key_value_bias = parts.config.architecture == Architecture::kQwen2};
  return assemble(std::move(parts), rules, gguf.tensors());
}

Result<ModelParts> model_from_huggingface(const HuggingFaceModelFiles& files) {
  REDKNOT_TRY(JsonConfig json, config_from_json(files.tokenizer.config));
  std::vector<StoredTensor> tensors;
  for (const auto& shard : files.shards) {
    REDKNOT_TRY(std::vector<StoredTensor> more, read_safetensors(shard));
    tensors.insert(tensors.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  }
  ModelParts parts;
  parts.format = "Hugging Face folder";
  parts.config = std::move(json.config);
  if (!files.tokenizer.tokenizer.empty()) {
    REDKNOT_TRY(parts.vocabulary, vocabulary_from_huggingface(files.tokenizer));
  }
  parts.sampling = sampling_from_json(files.tokenizer.generation_config);
  bool has_output = false;
  for (const StoredTensor& tensor : tensors) has_output |= tensor.name == "lm_head.weight";
  const bool qwen2 = parts.config.architecture == Architecture::kQwen2;
  const WeightRules rules{.naming = WeightNaming::kHuggingFace,
                          .tied = json.tied.value_or(!has_output),
                          .query_key_value_bias = qwen2 || json.attention_bias,
                          .output_bias = json.attention_bias && !qwen2};
  return assemble(std::move(parts), rules, tensors);
}

Result<std::vector<std::string>> shard_names(std::string_view index_json) {
  constexpr const char* kIndex = "model.safetensors.index.json";
  REDKNOT_TRY(const Json root, parse_json_object(index_json, kIndex));
  const FileFields fields = file_fields(root, kIndex);
  const Json* map = fields.find("weight_map");
  if (map == nullptr || !map->is_object()) return fields.wrong_type("weight_map", "an object");
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_shard_name(file.get_ref<const std::string&>())) {
      return corrupt(kIndex, ": weight_map does not give tensor ", tensor.substr(0, 80),
                     " the name of a safetensors file");
    }
    names.insert(file.get_ref<const std::string&>());
    if (names.size() > kMaxShards) return corrupt(kIndex, " names over ", kMaxShards, " files");
  }
  if (names.empty()) return corrupt(kIndex, " names no files");
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace redknot
