#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages of the named groups that are not there yet: build, test, ci.
#
# The only list of what RedKnot needs from the system. Touches nothing, and needs no network and no
# rights, when everything is present. Otherwise it needs root or sudo, and asks no questions.
set -euo pipefail

build=(g++ cmake ninja-build ccache pkgconf libpcre2-dev libutf8proc-dev libssl-dev libedit-dev
  nlohmann-json3-dev libcli11-dev libboost1.81-dev libspdlog-dev prometheus-cpp-dev curl
  libgtest-dev libgmock-dev libbenchmark-dev python3 python3-pip)
test=(git clang-format-14 wrk curl openssl chromium)
ci=(clang-14 clang-tidy-14 libclang-rt-14-dev)
# For the page. Whoever has npm from elsewhere keeps it: Debian's would replace its node.
command -v npm >/dev/null || build+=(nodejs npm)

wanted=()
for group in "$@"; do
  case "$group" in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    ci) wanted+=("${ci[@]}") ;;
    *)
      echo "install_packages.sh: no group named '$group'; there are build, test and ci" >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "Not a Debian system: nothing installed. RedKnot needs what Debian 12 calls ${wanted[*]}" >&2
  exit 0
fi

missing=()
for name in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null) || status=""
  grep -qx installed <<<"$status" || missing+=("$name")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Cannot install packages: neither root nor sudo. Missing: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}
echo "Installing ${missing[*]}" >&2
apt_get update >&2
apt_get install --no-install-recommends "${missing[@]}" >&2
