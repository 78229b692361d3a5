// SPDX-License-Identifier: Apache-2.0
// Work that would hold up connections (parsing, templating, tokenizing a book) on threads of its
// own, awaited by the coroutine that asked for it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <optional>
#include <utility>

namespace redknot::server {

// Runs the job on the pool and comes back to the caller's executor. It must not throw, and what it
// refers to must outlive the wait.
boost::asio::awaitable<void> run_job(boost::asio::thread_pool& pool, std::function<void()> job);

// The same for work that has a result.
template <typename T>
boost::asio::awaitable<T> run_on(boost::asio::thread_pool& pool, std::function<T()> work) {
  std::optional<T> result;
  std::function<void()> job = [&work, &result] { result.emplace(work()); };
  co_await run_job(pool, std::move(job));
  co_return std::move(*result);
}

}  // namespace redknot::server
