// SPDX-License-Identifier: Apache-2.0
// Work that would hold up connections (parsing, templating, tokenizing a book) on threads of its
// own, awaited by the coroutine that asked for it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <utility>

namespace redknot::server {

// Runs `work` on the pool and comes back to the caller's executor with what it returned. `work`
// must not throw.
template <typename T>
boost::asio::awaitable<T> run_on(boost::asio::thread_pool& pool, std::function<T()> work) {
  // A coroutine's parameters live in its frame; a lambda's captures would not.
  struct Job {
    static boost::asio::awaitable<T> run(std::function<T()> work) { co_return work(); }
  };
  boost::asio::awaitable<T> job = Job::run(std::move(work));
  T result = co_await boost::asio::co_spawn(pool, std::move(job), boost::asio::use_awaitable);
  co_return result;
}

}  // namespace redknot::server
