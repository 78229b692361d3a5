// SPDX-License-Identifier: Apache-2.0
#include "runtime/packed_weights.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

constexpr std::size_t kMatrixAlignment = 4096;
constexpr std::size_t kSliceBytes = std::size_t{16} << 20;  // of the file, packed at a time

// A matrix of the file and where its packed form is described.
struct PackJob {
  const TensorView* source;
  PackedMatrix* target;
  std::size_t offset = 0;  // in the buffer
};

PackedMatrix shape_of(const TensorView& tensor) {
  return {packed_format(tensor.dtype), tensor.rows, tensor.columns, nullptr};
}

void add_job(const TensorView& source, PackedMatrix& target, std::vector<PackJob>& jobs) {
  if (!source.present()) return;
  target = shape_of(source);
  jobs.push_back({&source, &target});
}

void add_jobs(const LayerWeights& source, PackedLayer& target, std::vector<PackJob>& jobs) {
  add_job(source.query, target.query.matrix, jobs);
  add_job(source.key, target.key.matrix, jobs);
  add_job(source.value, target.value.matrix, jobs);
  add_job(source.attention_output, target.attention_output.matrix, jobs);
  add_job(source.router, target.router, jobs);
  target.experts.resize(source.experts.size());
  const auto add_ffn = [&jobs](const ExpertWeights& from, PackedFfn& to) {
    add_job(from.gate, to.gate, jobs);
    add_job(from.up, to.up, jobs);
    add_job(from.down, to.down, jobs);
  };
  add_ffn(source.ffn, target.ffn);
  for (std::size_t e = 0; e < source.experts.size(); ++e) {
    add_ffn(source.experts[e], target.experts[e]);
  }
}

void copy_vectors(const LayerWeights& source, PackedLayer& target) {
  target.attention_norm = source.attention_norm.floats();
  target.ffn_norm = source.ffn_norm.floats();
  target.query_norm = source.query_norm.floats();
  target.key_norm = source.key_norm.floats();
  target.query.bias = source.query_bias.floats();
  target.key.bias = source.key_bias.floats();
  target.value.bias = source.value_bias.floats();
  target.attention_output.bias = source.attention_output_bias.floats();
}

// Gives every job its place; returns the bytes of all.
std::size_t place(std::vector<PackJob>& jobs) {
  std::size_t bytes = 0;
  for (PackJob& job : jobs) {
    job.offset = bytes;
    bytes +=
        (job.target->size_bytes() + kMatrixAlignment - 1) / kMatrixAlignment * kMatrixAlignment;
  }
  return bytes;
}

// Packs one matrix, a slice of rows at a time, and gives each slice's file pages back at once, so
// that file and packed weights are never in memory both.
void pack_matrix(const Model& model, const PackJob& job, ThreadPool& pool, std::byte* out) {
  const PackedMatrix& matrix = *job.target;
  const std::size_t panel_file_bytes =
      bytes_of(job.source->dtype, static_cast<std::size_t>(matrix.inputs)) * kPanelColumns;
  const int slice = static_cast<int>(std::max<std::size_t>(1, kSliceBytes / panel_file_bytes));
  for (int first = 0; first < matrix.panels(); first += slice) {
    const int count = std::min(slice, matrix.panels() - first);
    pool.parallel_for(count, [&](int panel, int) {
      pack_panel(matrix, first + panel, job.source->dtype, job.source->bytes, out);
    });
    TensorView done = *job.source;
    const std::size_t begin = static_cast<std::size_t>(first) * panel_file_bytes;
    done.bytes = done.bytes.subspan(
        begin,
        std::min(static_cast<std::size_t>(count) * panel_file_bytes, done.bytes.size() - begin));
    model.drop(done);
  }
}

std::vector<PackJob> all_jobs(const ModelWeights& weights, std::vector<PackedLayer>& layers,
                              PackedMatrix& output) {
  std::vector<PackJob> jobs;
  layers.resize(weights.layers.size());
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    add_jobs(weights.layers[layer], layers[layer], jobs);
  }
  add_job(weights.output, output, jobs);
  return jobs;
}

}  // namespace

std::size_t PackedWeights::packed_bytes(const ModelWeights& weights) {
  std::vector<PackedLayer> layers;
  PackedMatrix output;
  std::vector<PackJob> jobs = all_jobs(weights, layers, output);
  return place(jobs);
}

MatrixFormats PackedWeights::formats(const ModelWeights& weights) {
  std::vector<PackedLayer> layers;
  PackedMatrix output;
  MatrixFormats found;
  for (const PackJob& job : all_jobs(weights, layers, output)) {
    found.integer |= is_integer(job.target->format);
    found.bf16 |= job.target->format == WeightFormat::kBF16;
  }
  return found;
}

Result<PackedWeights> PackedWeights::pack(const Model& model, ThreadPool& pool,
                                          const Progress& progress) {
  const ModelWeights& weights = model.weights();
  PackedWeights packed;
  packed.embedding_ = &weights.token_embedding;
  std::vector<PackJob> jobs = all_jobs(weights, packed.layers_, packed.output_);
  const std::size_t bytes = place(jobs);
  Result<HugeBuffer> buffer = HugeBuffer::allocate(bytes);
  if (!buffer.ok()) return buffer.error().within("pack weights");
  packed.buffer_ = std::move(*buffer);
  packed.output_norm_ = weights.output_norm.floats();
  for (std::size_t layer = 0; layer < packed.layers_.size(); ++layer) {
    copy_vectors(weights.layers[layer], packed.layers_[layer]);
    packed.layers_[layer].key_basis = key_basis(model.config(), weights.layers[layer], pool);
  }
  for (const PackJob& job : jobs) {
    std::byte* out = packed.buffer_.bytes().data() + job.offset;
    pack_matrix(model, job, pool, out);
    job.target->bytes = out;
    if (progress) {
      const std::size_t done = job.offset + job.target->size_bytes();
      progress("packing weights", static_cast<double>(done) / static_cast<double>(bytes));
    }
  }
  return packed;
}

void PackedWeights::embed(TokenId token, std::span<float> out) const {
  dequantize(embedding_->dtype, embedding_->row(static_cast<int>(token)), out);
}

}  // namespace redknot
