// SPDX-License-Identifier: Apache-2.0
// The client against the server, plain and over TLS.
#include "http/client.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "http/sse.h"
#include "tests/raw_peer.h"
#include "tests/temp_folder.h"
#include "tests/wait.h"

namespace redknot::http {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

// Runs a coroutine to its end, for which it has some seconds.
void run(const std::function<awaitable<void>(asio::any_io_executor)>& body) {
  asio::io_context io(1);
  asio::co_spawn(
      io, [&] { return body(io.get_executor()); },
      [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  io.run_for(std::chrono::seconds(tests::kPatienceSeconds));
  EXPECT_TRUE(io.stopped()) << "it has not ended";
}

// A certificate for localhost, signed by itself, in files that go away with it.
struct Certificate {
  Certificate() {
    files = {.certificates = folder / "server.pem", .key = folder / "server.key"};
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -60);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, key);
    const auto* name = reinterpret_cast<const unsigned char*>("localhost");
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC, name, -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(made, names, -1);
    X509_sign(made, key, EVP_sha256());
    std::FILE* out = std::fopen(files.certificates.c_str(), "w");
    PEM_write_X509(out, made);
    std::fclose(out);
    out = std::fopen(files.key.c_str(), "w");
    PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    X509_EXTENSION_free(names);
    X509_free(made);
    EVP_PKEY_free(key);
  }
  tests::TempFolder folder;
  TlsContext::Files files{};
};

awaitable<void> ask_twice_and_stream(asio::any_io_executor executor, ClientOptions options) {
  Client client(executor, std::move(options));
  for (int i = 0; i < 2; ++i) {
    ClientRequest request{.target = "/echo", .body = std::string(300'000, 'a')};
    const auto head = co_await client.send(std::move(request));
    EXPECT_TRUE(head.ok()) << (head.ok() ? "" : head.error().message());
    if (!head.ok()) co_return;
    EXPECT_EQ(head->status, 200);
    const auto body = co_await client.read_body();
    EXPECT_TRUE(body.ok() && body->size() == 300'000);
    EXPECT_TRUE(client.connected());
  }
  ClientRequest request{.method = "GET", .target = "/stream"};
  const auto head = co_await client.send(std::move(request));
  EXPECT_TRUE(head.ok());
  SseReader events;
  int count = 0;
  for (;;) {
    const auto piece = co_await client.read_piece();
    EXPECT_TRUE(piece.ok());
    if (!piece.ok() || piece->empty()) break;
    const auto arrived = events.put(*piece);
    EXPECT_TRUE(arrived.ok());
    for (const SseEvent& event : *arrived) EXPECT_EQ(event.data, std::to_string(count++));
  }
  EXPECT_EQ(count, 5);
}

TEST(HttpClient, AsksAndReadsStreams) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  run([&](asio::any_io_executor executor) {
    return ask_twice_and_stream(executor, {.port = server.port()});
  });
  EXPECT_TRUE(eventually([&] { return server.server().counts().connections == 0; }));
}

TEST(HttpClient, AsksOverTlsAndChecksTheCertificate) {
  const Certificate certificate;
  TestServer server({.hosts = {"localhost"}, .tls = certificate.files});
  ASSERT_TRUE(server.start().ok());
  run([&](asio::any_io_executor executor) {
    return ask_twice_and_stream(executor, {.host = "localhost",
                                           .port = server.port(),
                                           .tls = true,
                                           .roots = certificate.files.certificates});
  });
  run([&](asio::any_io_executor executor) {
    return ask_twice_and_stream(executor, {.port = server.port(), .tls = true, .verify = false});
  });
  for (const ClientOptions& bad :
       {ClientOptions{.host = "localhost", .port = server.port(), .tls = true},
        ClientOptions{.host = "127.0.0.1",
        .port = server.port(),
        .tls = true,
        .roots = certificate.files.certificates}}) {
    run([&](asio::any_io_executor executor) -> awaitable<void> {
      Client client(executor, bad);
      const Status status = co_await client.connect();
      EXPECT_FALSE(status.ok());
    });
  }
  EXPECT_TRUE(eventually([&] { return server.server().counts().connections == 0; }));
}

TEST(HttpClient, TlsHandshakesHaveATimeAndGarbageIsNoHandshake) {
  const Certificate certificate;
  TestServer server(
      {.tls = certificate.files, .limits = {.handshake_time = std::chrono::milliseconds(100)}});
  ASSERT_TRUE(server.start().ok());
  RawPeer silent = server.connect();
  RawPeer plain = server.connect();
  ASSERT_TRUE(plain.say(get("/")));
  EXPECT_TRUE(silent.hear_all());
  EXPECT_TRUE(plain.hear_all());
  EXPECT_EQ(server.begun, 0);
  EXPECT_TRUE(eventually([&] { return server.server().counts().connections == 0; }));
}

TEST(HttpClient, ATlsClientThatLeavesIsSeen) {
  const Certificate certificate;
  TestServer server({.tls = certificate.files});
  ASSERT_TRUE(server.start().ok());
  run([&](asio::any_io_executor executor) -> awaitable<void> {
    Client client(executor, {.port = server.port(), .tls = true, .verify = false});
    ClientRequest request{.method = "GET", .target = "/flood"};
    const auto head = co_await client.send(std::move(request));
    EXPECT_TRUE(head.ok());
    const auto piece = co_await client.read_piece();
    EXPECT_TRUE(piece.ok() && !piece->empty());
    client.close();
  });
  EXPECT_TRUE(eventually([&] { return server.gone == 1 && server.handled == 1; }));
}

TEST(HttpClient, ReadsTheRefusalOfABodyThatIsNotTaken) {
  TestServer server({.limits = {.body_bytes = 1000}});
  ASSERT_TRUE(server.start().ok());
  run([&](asio::any_io_executor executor) -> awaitable<void> {
    Client client(executor, {.port = server.port()});
    ClientRequest request{.target = "/echo", .body = std::string(1'000'000, 'a')};
    const auto head = co_await client.send(std::move(request));
    EXPECT_TRUE(head.ok());
    if (!head.ok()) co_return;
    EXPECT_EQ(head->status, 413);
    const auto body = co_await client.read_body();
    EXPECT_TRUE(body.ok() && body->find("too large") != std::string::npos);
    ClientRequest next{.target = "/echo", .body = "small"};
    const auto again = co_await client.send(std::move(next));
    EXPECT_TRUE(again.ok() && again->status == 200);
  });
}

TEST(HttpClient, SaysWhyThereIsNoAnswer) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  run([&](asio::any_io_executor executor) -> awaitable<void> {
    Client slow(executor, {.port = server.port(), .wait_time = std::chrono::milliseconds(100)});
    ClientRequest request{.method = "GET", .target = "/wait"};
    const auto head = co_await slow.send(std::move(request));
    EXPECT_FALSE(head.ok());
    if (head.ok()) co_return;
    EXPECT_NE(head.error().message().find("no answer in time"), std::string::npos);
    EXPECT_FALSE(slow.connected());
  });
  const int port = server.port();
  server.server().stop();
  run([&](asio::any_io_executor executor) -> awaitable<void> {
    Client client(executor, {.port = port});
    const Status status = co_await client.connect();
    EXPECT_FALSE(status.ok());
    if (!status.ok()) {
      EXPECT_EQ(status.error().code(), ErrorCode::kUnavailable);
      EXPECT_EQ(status.error().message(), concat("ask 127.0.0.1:", port, ": Connection refused"));
    }
  });
}

}  // namespace
}  // namespace redknot::http
