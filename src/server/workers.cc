// SPDX-License-Identifier: Apache-2.0
#include "server/workers.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace redknot::server {

namespace asio = boost::asio;

namespace {

// Its parameter lives in the coroutine's frame, as a lambda's captures would not.
asio::awaitable<void> run(std::function<void()> job) {
  job();
  co_return;
}

}  // namespace

asio::awaitable<void> run_job(asio::thread_pool& pool, std::function<void()> job) {
  asio::awaitable<void> running = run(std::move(job));
  co_await asio::co_spawn(pool, std::move(running), asio::use_awaitable);
}

}  // namespace redknot::server
