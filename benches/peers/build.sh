#!/usr/bin/env bash
# Makes the servers of the comparison that are not in Rust: `build.sh [--strict] DIR` puts peer-libuv, peer-asio, peer-twisted, peer-asyncio and peer-uvloop
# into DIR, which is made if it is not there. What cannot be had here is skipped with a line that says so. Ends with 1 if nothing was made or, with
# --strict, if anything was skipped, and with 3 if something could be had and does not compile or start. Where root's rights can be had without
# asking, Debian's packages for C and C++ are installed if they are not.
set -euo pipefail

usage() {
    echo "usage: build.sh [--strict] DIR" >&2
    exit 2
}

strict=
if [ "${1-}" = --strict ]; then
    strict=1
    shift
fi
[ $# -eq 1 ] && [ -n "$1" ] && [ "${1#-}" = "$1" ] || usage
mkdir -p "$1"
out="$(cd "$1" && pwd)"
cd "$(dirname "${BASH_SOURCE[0]}")"

# The comparison takes every executable in DIR for a server, so whatever else there is goes in here.
hidden="$out/.python"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

built=0
missing=0
broken=0

skip() {
    rm -f "$out/$1"
    missing=$((missing + 1))
    echo "skipped $1: $2"
}

fail() {
    rm -f "$out/$1"
    broken=$((broken + 1))
    cat "$log" >&2
    echo "failed $1: $2"
}

# A server is there if it can say what it is made with.
check() {
    local version
    if version="$("$out/$1" --version 2>"$log")"; then
        built=$((built + 1))
        echo "built $1: $version"
    else
        fail "$1" "it does not start"
    fi
}

# Compilers and headers.

cc="${CC:-cc}"
cxx="${CXX:-c++}"

has_header() {
    printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$1" | "$cc" -E -x c - >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

install_packages() {
    command -v apt-get >/dev/null || return 0
    as_root true 2>/dev/null || return 0
    echo "installing $*"
    local get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=60)
    as_root "${get[@]}" install --no-install-recommends "$@" >"$log" 2>&1 ||
        { as_root "${get[@]}" update >"$log" 2>&1 && as_root "${get[@]}" install --no-install-recommends "$@" >"$log" 2>&1; } ||
        echo "they cannot be installed: $(tail -n 1 "$log")"
}

# compile NAME SOURCE HEADER PACKAGE COMMAND...: COMMAND is the compiler with its arguments before and after `-o` and the file it is to make.
compile() {
    local name="$1" source="$2" header="$3" package="$4"
    shift 4
    if ! command -v "$1" >/dev/null; then
        skip "$name" "there is no compiler $1"
        return
    fi
    if ! has_header "$header"; then
        skip "$name" "there is no $header: install $package (that is its name in Debian)"
        return
    fi
    local file="$out/$name"
    if [ "$file" -ot "$source" ] || [ "$file" -ot options.h ] || [ "$file" -ot build.sh ]; then
        if ! "$@" -o "$out/.$name" 2>"$log"; then
            rm -f "$out/.$name"
            fail "$name" "it does not compile"
            return
        fi
        mv "$out/.$name" "$file"
    fi
    check "$name"
}

# The virtual environment.

python=
make_python() {
    command -v python3 >/dev/null || return 0
    if ! "$hidden/venv/bin/python" -c 'import pip' 2>/dev/null; then
        rm -rf "$hidden"
        mkdir -p "$hidden"
        # Without pip there is asyncio still.
        python3 -m venv "$hidden/venv" >"$log" 2>&1 || python3 -m venv --clear --without-pip "$hidden/venv" >"$log" 2>&1 || return 0
    fi
    python="$hidden/venv/bin/python"
    cp peer_*.py "$hidden/"
}

# script NAME [PACKAGE]: a launcher that becomes the server, so that its process is the server's.
script() {
    local name="$1" package="${2-}"
    if [ -z "$python" ]; then
        skip "$name" "there is no python3, or it can make no virtual environment"
        return
    fi
    if [ -n "$package" ] && ! cmp -s requirements.txt "$hidden/$package.installed"; then
        if ! "$python" -m pip install --quiet --disable-pip-version-check --prefer-binary --retries 2 --constraint requirements.txt "$package" >"$log" 2>&1; then
            skip "$name" "pip cannot install $package: $(tail -n 1 "$log")"
            return
        fi
        cp requirements.txt "$hidden/$package.installed"
    fi
    cat >"$out/$name" <<LAUNCHER
#!/bin/sh
exec "\${0%/*}/.python/venv/bin/python" -O "\${0%/*}/.python/${name//-/_}.py" "\$@"
LAUNCHER
    chmod +x "$out/$name"
    check "$name"
}

wanted=()
has_header uv.h || wanted+=(libuv1-dev)
has_header asio.hpp || wanted+=(libasio-dev)
if command -v "$cc" >/dev/null && [ ${#wanted[@]} -gt 0 ]; then
    install_packages "${wanted[@]}"
fi
flags=(-O2 -DNDEBUG -Wall -Wextra)
compile peer-libuv peer-libuv.c uv.h libuv1-dev "$cc" -std=gnu11 "${flags[@]}" peer-libuv.c -luv -pthread
compile peer-asio peer-asio.cpp asio.hpp libasio-dev "$cxx" -std=c++17 "${flags[@]}" -DASIO_STANDALONE peer-asio.cpp -pthread

make_python
script peer-twisted twisted
script peer-asyncio
script peer-uvloop uvloop

[ "$broken" -eq 0 ] || exit 3
[ "$built" -gt 0 ] && { [ -z "$strict" ] || [ "$missing" -eq 0 ]; }
