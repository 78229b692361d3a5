// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "model/model_parts.h"

namespace redknot {

namespace {

constexpr std::size_t kMaxIndexBytes = std::size_t{64} << 20;

bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

Result<std::vector<MappedFile>> open_shards(const std::filesystem::path& folder) {
  std::vector<std::string> names = {"model.safetensors"};
  const std::filesystem::path index = folder / "model.safetensors.index.json";
  if (is_there(index)) {
    REDKNOT_TRY(const std::string text, read_file(index, kMaxIndexBytes));
    REDKNOT_TRY(names, shard_names(text));
  }
  std::vector<MappedFile> files;
  for (const std::string& name : names) {
    REDKNOT_TRY(MappedFile file, MappedFile::open(folder / name));
    files.push_back(std::move(file));
  }
  return files;
}

struct Opened {
  std::vector<MappedFile> files;  // what the views in `parts` point into
  ModelParts parts;
};

Result<Opened> open_folder(const std::filesystem::path& folder) {
  Opened opened;
  HuggingFaceModelFiles files;
  REDKNOT_TRY(files.tokenizer, read_tokenizer_files(folder));
  if (files.tokenizer.config.empty()) return not_found("the folder has no config.json");
  REDKNOT_TRY(opened.files, open_shards(folder));
  for (const MappedFile& file : opened.files) files.shards.push_back(file.bytes());
  REDKNOT_TRY(opened.parts, model_from_huggingface(files));
  return opened;
}

Result<Opened> open_file(const std::filesystem::path& path) {
  Opened opened;
  REDKNOT_TRY(MappedFile file, MappedFile::open(path));
  REDKNOT_TRY(opened.parts, model_from_gguf(file.bytes()));
  opened.files.push_back(std::move(file));
  return opened;
}

// "models/tiny-0.5/" and "models/tiny-0.5.gguf" are both called tiny-0.5.
std::string name_of(const std::filesystem::path& path, bool folder) {
  if (!folder) return path.stem().string();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace

struct Model::State {
  Opened opened;
};

Result<Model> Model::open(const std::filesystem::path& path) {
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  auto opened = folder ? open_folder(path) : open_file(path);
  if (!opened.ok()) return opened.error().within(concat("open ", path));
  if (opened->parts.config.name.empty()) opened->parts.config.name = name_of(path, folder);
  return Model(std::make_unique<State>(State{std::move(opened).value()}));
}

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

const ModelConfig& Model::config() const { return state_->opened.parts.config; }
const Vocabulary& Model::vocabulary() const { return state_->opened.parts.vocabulary; }
const SamplingDefaults& Model::sampling() const { return state_->opened.parts.sampling; }
const ModelWeights& Model::weights() const { return state_->opened.parts.weights; }
const std::vector<TensorListing>& Model::tensors() const { return state_->opened.parts.tensors; }
const std::string& Model::format() const { return state_->opened.parts.format; }

std::size_t Model::file_bytes() const {
  std::size_t bytes = 0;
  for (const MappedFile& file : state_->opened.files) bytes += file.bytes().size();
  return bytes;
}

void Model::drop(const TensorView& tensor) const {
  for (const MappedFile& file : state_->opened.files) {
    const std::byte* begin = file.bytes().data();
    if (tensor.bytes.data() >= begin && tensor.bytes.data() < begin + file.bytes().size()) {
      file.drop(tensor.bytes);
    }
  }
}

}  // namespace redknot
