// SPDX-License-Identifier: Apache-2.0
// What the machine can do at best, measured: arithmetic in registers, and streaming reads of more
// memory than the caches hold. The best of several short trials, because other processes only ever
// make a trial slower.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

#include "base/huge_buffer.h"
#include "base/thread_pool.h"
#include "engine/step_bench.h"
#include "kernels/kernels.h"

namespace redknot {
namespace {

constexpr int kTrials = 8;
constexpr std::size_t kReadBytes = std::size_t{256} << 20;
constexpr std::size_t kTaskBytes = std::size_t{4} << 20;

// Operations or bytes per second of the best trial; work() returns what it did.
template <typename Work>
double best_rate(const Work& work) {
  double best = 0.0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto start = std::chrono::steady_clock::now();
    const double done = work();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, done / seconds.count());
  }
  return best;
}

double peak_rate(ThreadPool& pool, double (*operations)(int rounds, float* out)) {
  constexpr int kRounds = 1 << 20;
  return best_rate([&] {
    std::vector<double> done(static_cast<std::size_t>(pool.threads()));
    pool.parallel_for(pool.threads(), [&](int task, int) {
      float results[kPeakResults];
      done[static_cast<std::size_t>(task)] = operations(kRounds, results);
    });
    double total = 0.0;
    for (const double one : done) total += one;
    return total;
  });
}

double read_rate(ThreadPool& pool, const Kernels& kernels, std::span<const std::byte> bytes) {
  const int tasks = static_cast<int>(bytes.size() / kTaskBytes);
  return best_rate([&] {
    pool.parallel_for(tasks, [&](int task, int) {
      float results[kPeakResults];
      kernels.read_memory(bytes.data() + static_cast<std::size_t>(task) * kTaskBytes, kTaskBytes,
                          results);
    });
    return static_cast<double>(bytes.size());
  });
}

}  // namespace

Result<MachineLimits> measure_machine_limits(int threads) {
  ThreadPool pool(threads == 0 ? available_cores() : threads);
  const Kernels& kernels = *find_kernels("");
  REDKNOT_TRY(const HugeBuffer buffer, HugeBuffer::allocate(kReadBytes));
  REDKNOT_RETURN_IF_ERROR(buffer.populate());
  MachineLimits limits;
  limits.fp32_flops = peak_rate(pool, kernels.peak_fp32_operations);
  limits.int8_ops = peak_rate(pool, kernels.peak_int8_operations);
  limits.bf16_flops = kernels.peak_bf16_operations == nullptr
                          ? limits.fp32_flops
                          : peak_rate(pool, kernels.peak_bf16_operations);
  limits.memory_bytes_per_second = read_rate(pool, kernels, buffer.bytes());
  return limits;
}

}  // namespace redknot
