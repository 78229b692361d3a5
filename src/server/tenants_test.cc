// SPDX-License-Identifier: Apache-2.0
#include "server/tenants.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <span>
#include <string>

#include "base/file.h"
#include "tests/temp_folder.h"

namespace redknot::server {
namespace {

TEST(Tenants, WithoutKeysEverybodyIsOneTenant) {
  const Tenants tenants = Tenants::create({}).value();
  ASSERT_NE(tenants.find("", ""), nullptr);
  EXPECT_EQ(tenants.find("", "")->salt, "");
  EXPECT_EQ(tenants.find("Bearer anything", ""), tenants.find("", ""));
}

TEST(Tenants, KeysAreAskedForInEitherHeader) {
  const Tenants tenants = Tenants::create({.api_keys = {"one", "two"}}).value();
  EXPECT_EQ(tenants.find("", ""), nullptr);
  EXPECT_EQ(tenants.find("Bearer three", ""), nullptr);
  EXPECT_EQ(tenants.find("Basic one", ""), nullptr);
  EXPECT_EQ(tenants.find("Bearer ", ""), nullptr);
  ASSERT_NE(tenants.find("Bearer one", ""), nullptr);
  EXPECT_EQ(tenants.find("bearer  one", ""), tenants.find("", "one"));
}

TEST(Tenants, ABrowserSendsTheKeyAsAPassword) {
  const Tenants tenants = Tenants::create({.api_keys = {"one"}}).value();
  EXPECT_NE(tenants.find("Basic dXNlcjpvbmU=", ""), nullptr);  // user:one
  EXPECT_NE(tenants.find("Basic Om9uZQ==", ""), nullptr);      // :one
  EXPECT_EQ(tenants.find("Basic b25lOg==", ""), nullptr);      // one:
  EXPECT_EQ(tenants.find("Basic !!!!", ""), nullptr);
  EXPECT_EQ(tenants.find("Basic ", ""), nullptr);
}

TEST(Tenants, EachKeyHasASaltOfItsOwnUnlessTheCacheIsShared) {
  const Tenants apart = Tenants::create({.api_keys = {"one", "two"}}).value();
  EXPECT_NE(apart.find("", "one")->salt, apart.find("", "two")->salt);
  EXPECT_NE(apart.find("", "one")->salt, "");
  const Tenants together =
      Tenants::create({.api_keys = {"one", "two"}, .share_cache = true}).value();
  EXPECT_EQ(together.find("", "one")->salt, together.find("", "two")->salt);
}

TEST(Tenants, NamesAndSaltsDoNotShowTheKey) {
  const Tenants tenants = Tenants::create({.api_keys = {"sesame"}}).value();
  const Tenant& tenant = *tenants.find("", "sesame");
  EXPECT_EQ(tenant.name.find("sesame"), std::string::npos);
  EXPECT_EQ(tenant.salt.find("sesame"), std::string::npos);
  EXPECT_EQ(tenant.salt.find(tenant.name), std::string::npos);
}

TEST(Tenants, AreCountedByWhatTheyShare) {
  EXPECT_EQ(Tenants::create({})->count(), 1U);
  EXPECT_EQ(Tenants::create({.api_keys = {"a", "b", "c"}})->count(), 3U);
  EXPECT_EQ(Tenants::create({.api_keys = {"a", "b"}, .share_cache = true})->count(), 1U);
}

TEST(Tenants, RefusesKeysThatCannotBeSent) {
  EXPECT_FALSE(Tenants::create({.api_keys = {""}}).ok());
  EXPECT_FALSE(Tenants::create({.api_keys = {"a b"}}).ok());
  EXPECT_FALSE(Tenants::create({.api_keys = {"a\n"}}).ok());
  EXPECT_FALSE(Tenants::create({.api_keys = {"a", "a"}}).ok());
  EXPECT_FALSE(Tenants::create({.api_keys = {std::string(1000, 'a')}}).ok());
}

TEST(Tenants, AFileHasOneKeyALine) {
  const tests::TempFolder folder;
  const auto path = folder / "keys.txt";
  const std::string text = "# ours\none\r\n\n  \ntwo";
  ASSERT_TRUE(write_file(path, std::as_bytes(std::span(text))).ok());
  EXPECT_EQ(read_api_keys(path).value(), (std::vector<std::string>{"one", "two"}));
  const std::string empty = "# none\n";
  ASSERT_TRUE(write_file(path, std::as_bytes(std::span(empty))).ok());
  EXPECT_FALSE(read_api_keys(path).ok());
  std::filesystem::remove(path);
  EXPECT_FALSE(read_api_keys(path).ok());
}

}  // namespace
}  // namespace redknot::server
