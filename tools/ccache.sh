# SPDX-License-Identifier: Apache-2.0
# Sourced by run, test and .ci/run from the root of the tree: lets every clone share what ccache
# already compiled. The cache itself stays where ccache keeps it (CCACHE_DIR, or the user's cache).
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-2G}
