#!/bin/sh
# Finds what the tests need beside Rust: Node.js with npm, and Python with pip and
# venv. Where one is missing and apt-get may be used, it installs Debian's.
set -eu

missing=
command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number);
  process.exit(a > 20 || (a === 20 && b >= 6) ? 0 : 1)' || missing="nodejs npm"
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
  missing="$missing python3 python3-pip python3-venv"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "the tests need Node.js 20.6 with npm, and Python 3.10 with pip and venv; on Debian or Ubuntu" >&2
  echo "    sudo apt-get install$(printf ' %s' $missing)" >&2
  exit 1
fi
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
