// SPDX-License-Identifier: Apache-2.0
// Micro-benchmarks of the kernels, one thread. Each has a "smoke" size that ctest runs and sizes of
// real models. GFLOP/s and GB/s are printed as rates; compare with the limits that
// `redknot bench` measures.
#include <benchmark/benchmark.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/kernels.h"
#include "redknot/activation_format.h"
#include "runtime/page_read.h"

namespace redknot {
namespace {

// 64-byte aligned memory with plausible contents.
std::vector<float> random_floats(std::size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Rows [rows, inputs] rounded to one or two digits, or to BF16.
struct Rounded {
  Rounded(const Kernels& kernels, const std::vector<float>& x, int inputs, ActivationFormat format)
      : codes(x.size()),
        low_codes(x.size()),
        scales(x.size() / kQuantBlock),
        sums(x.size() / kQuantBlock),
        bf16(x.size()) {
    const bool two_digits = format == ActivationFormat::k16;
    quantized = {codes.data(), two_digits ? low_codes.data() : nullptr, scales.data(), sums.data()};
    for (std::size_t first = 0; first < x.size(); first += static_cast<std::size_t>(inputs)) {
      if (format == ActivationFormat::kBf16) {
        kernels.round_row(x.data() + first, inputs, bf16.data() + first);
      } else {
        kernels.quantize_row(x.data() + first, inputs, quantized, static_cast<int>(first) / inputs);
      }
    }
  }

  std::vector<std::int8_t> codes, low_codes;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;
  std::vector<std::uint16_t> bf16;
  QuantizedRows quantized;
};

void matmul_bench(benchmark::State& state, const Kernels* kernels, WeightFormat format,
                  ActivationFormat activations) {
  const int rows = static_cast<int>(state.range(0));
  const int outputs = static_cast<int>(state.range(1));
  const int inputs = static_cast<int>(state.range(2));
  PackedMatrix weights{format, outputs, inputs, nullptr};
  // Every half of these bytes is a small finite number in f16 and bf16.
  std::vector<std::uint16_t> bytes(weights.size_bytes() / 2, 0x2c2c);
  weights.bytes = reinterpret_cast<const std::byte*>(bytes.data());
  const std::vector<float> input = random_floats(static_cast<std::size_t>(rows) * inputs);
  std::vector<float> output(static_cast<std::size_t>(rows) * outputs);
  const Rounded rounded(*kernels, input, inputs, activations);
  Matmul m;
  m.weights = &weights;
  m.panel_count = weights.panels();
  m.rows = rows;
  m.input = input.data();
  m.output = output.data();
  m.output_stride = static_cast<std::size_t>(outputs);
  if (activations == ActivationFormat::kBf16) m.bf16 = rounded.bf16.data();
  if (is_integer(format) && activations != ActivationFormat::kExact) {
    m.quantized = rounded.quantized;
  }
  for (auto _ : state) {
    kernels->matmul(m);
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  const double operations = 2.0 * rows * outputs * inputs;
  state.counters["op/s"] = Counter(operations, Counter::kIsIterationInvariantRate);
  state.counters["B/s"] =
      Counter(static_cast<double>(weights.size_bytes()), Counter::kIsIterationInvariantRate);
}

void attention_bench(benchmark::State& state, const Kernels* kernels, KvFormat format) {
  const int rows = static_cast<int>(state.range(0));
  const int dim = static_cast<int>(state.range(1));
  const int pages = static_cast<int>(state.range(2));
  constexpr int kTokens = 64;
  const PageShape shape{.page_tokens = kTokens, .head_dim = dim};
  const std::size_t page_bytes = shape.bytes(format);
  std::vector<std::byte> memory(page_bytes * static_cast<std::size_t>(pages), std::byte{0x2c});
  const std::vector<float> queries = random_floats(static_cast<std::size_t>(rows) * dim);
  std::vector<float> output(static_cast<std::size_t>(rows) * padded_dim(dim));
  std::vector<float> maximum(static_cast<std::size_t>(rows)), sum(static_cast<std::size_t>(rows));
  std::vector<float> scratch(attend_scratch_floats(rows, dim, kTokens) + 16);
  const std::vector<SlotRange> slots(static_cast<std::size_t>(rows), {0, 0, kTokens});
  for (auto _ : state) {
    maximum.assign(maximum.size(), -std::numeric_limits<float>::infinity());
    sum.assign(sum.size(), 0.0f);
    output.assign(output.size(), 0.0f);
    for (int p = 0; p < pages; ++p) {
      std::byte* page = memory.data() + static_cast<std::size_t>(p) * page_bytes;
      kernels->attend_page({.page = page_view(shape, format, page),
                            .rows = rows,
                            .queries = queries.data(),
                            .slots = slots.data(),
                            .state = {output.data(), maximum.data(), sum.data()},
                            .scratch = scratch.data()});
    }
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["op/s"] =
      Counter(4.0 * rows * dim * kTokens * pages, Counter::kIsIterationInvariantRate);
  state.counters["B/s"] =
      Counter(static_cast<double>(memory.size()), Counter::kIsIterationInvariantRate);
}

void row_bench(benchmark::State& state, const Kernels* kernels) {
  const int count = static_cast<int>(state.range(0));
  const std::vector<float> x = random_floats(static_cast<std::size_t>(count));
  std::vector<float> y = x;
  const Rounded rounded(*kernels, x, count, ActivationFormat::k8);
  const QuantizedRows quantized = rounded.quantized;
  for (auto _ : state) {
    kernels->rms_norm(x.data(), x.data(), 1e-5f, count, y.data());
    kernels->quantize_row(y.data(), count, quantized, 0);
    kernels->silu_multiply(y.data(), x.data(), count);
    benchmark::ClobberMemory();
  }
}

int register_all() {
  using A = ActivationFormat;
  const std::tuple<WeightFormat, A, const char*> formats[] = {
      {WeightFormat::kF32, A::kExact, "f32"},
      {WeightFormat::kF16, A::kExact, "f16"},
      {WeightFormat::kBF16, A::kExact, "bf16"},
      {WeightFormat::kBF16, A::kBf16, "bf16_bf16"},
      {WeightFormat::kInt8, A::k8, "int8"},
      {WeightFormat::kInt4, A::k8, "int4"},
      {WeightFormat::kInt4Min, A::k8, "int4_min"},
      {WeightFormat::kInt8, A::k16, "int8_16"},
      {WeightFormat::kInt4, A::k16, "int4_16"},
      {WeightFormat::kInt4Min, A::k16, "int4_min_16"},
      {WeightFormat::kInt8, A::kExact, "int8_exact"},
      {WeightFormat::kInt4, A::kExact, "int4_exact"},
      {WeightFormat::kInt4Min, A::kExact, "int4_min_exact"}};
  for (const Kernels* kernels : available_kernels()) {
    const std::string suffix = "/" + std::string(kernels->name);
    const bool slow = kernels->name == "reference";
    for (const auto& [format, activations, name] : formats) {
      if (activations == A::kBf16 && !kernels->multiply_bf16) continue;
      const std::string base = std::string("matmul/") + name + suffix;
      const WeightFormat f = format;
      const A a = activations;
      const auto run = [kernels, f, a](benchmark::State& state) {
        matmul_bench(state, kernels, f, a);
      };
      benchmark::RegisterBenchmark((base + "/smoke").c_str(), run)->Args({7, 70, 64});
      if (slow) continue;
      for (const int rows : {1, 4, 16, 63, 64, 512}) {
        benchmark::RegisterBenchmark(base.c_str(), run)->Args({rows, 3072, 1024});
      }
      benchmark::RegisterBenchmark(base.c_str(), run)->Args({1, 151936, 1024});
    }
    for (const KvFormat format : {KvFormat::kF16, KvFormat::kQ8, KvFormat::kK8V4}) {
      const std::string base = "attention/" + std::string(name(format)) + suffix;
      const auto run = [kernels, format](benchmark::State& state) {
        attention_bench(state, kernels, format);
      };
      benchmark::RegisterBenchmark((base + "/smoke").c_str(), run)->Args({7, 40, 2});
      if (slow) continue;
      for (const int rows : {1, 2, 3, 6, 12, 63, 64, 96}) {
        benchmark::RegisterBenchmark(base.c_str(), run)->Args({rows, 128, 16});
      }
      benchmark::RegisterBenchmark(base.c_str(), run)->Args({3, 64, 32});
      benchmark::RegisterBenchmark(base.c_str(), run)->Args({2, 128, 8192});
    }
    const auto row = [kernels](benchmark::State& state) { row_bench(state, kernels); };
    benchmark::RegisterBenchmark(("row" + suffix + "/smoke").c_str(), row)->Arg(96);
    if (!slow) benchmark::RegisterBenchmark(("row" + suffix).c_str(), row)->Arg(1024);
  }
  return 0;
}

[[maybe_unused]] const int registered = register_all();

}  // namespace
}  // namespace redknot
