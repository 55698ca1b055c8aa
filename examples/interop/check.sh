#!/usr/bin/env bash
# Runs the poetry programs against servers and clients that are not ours: Twisted, nc and curl.
#
#     examples/interop/check.sh
#
# Each poem (0 bytes, 3 kB, 50 MB of random bytes) must arrive whole. What is not installed is skipped, and said so; Twisted is installed
# from PyPI into a virtual environment below the target folder. Exits with 1 if any check failed. No fixed ports; ends what it starts.
set -u
cd "$(dirname "$0")/../.." || exit 1

target=${CARGO_TARGET_DIR:-target}
limit=60 # Seconds that any single program may take.
cargo build --quiet -p poetry-server -p poetry-client || exit 1
bin=$(cd "$target/debug" && pwd) || exit 1
interop=$PWD/examples/interop
work=$(mktemp -d)
servers=()
passed=0 failed=0 skipped=0

finish() {
    for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

ok() { passed=$((passed + 1)); echo "ok      $1"; }
fail() { failed=$((failed + 1)); echo "FAILED  $1"; }
skip() { skipped=$((skipped + 1)); echo "skipped $1"; }

# serve PROGRAM ARG..: starts a server in the background and sets $port from what it says.
serve() {
    local log=$work/serve.$((${#servers[@]} + 1)) tries
    : >"$log"
    "$@" >"$log" 2>&1 </dev/null &
    servers+=("$!")
    for ((tries = 0; tries < 200; tries++)); do
        port=$(sed -n 's/^Serving .* on 127\.0\.0\.1:\([0-9]*\)\.$/\1/p; s/^Listening on [^ ]* \([0-9]*\)$/\1/p' "$log")
        [[ -n $port ]] && return
        sleep 0.05
    done
    echo "the server did not start: $*" >&2
    cat "$log" >&2
    exit 1
}

size() { wc -c <"$1" | tr -d ' '; }

# whole NAME POEM COMMAND..: the command's stdout must be the poem.
whole() {
    local name=$1 poem=$2
    shift 2
    if timeout "$limit" "$@" >"$work/out" 2>"$work/err" && cmp -s "$poem" "$work/out"; then
        ok "$name"
    else
        fail "$name ($(size "$work/out") of $(size "$poem") bytes; $(head -n 1 "$work/err"))"
    fi
}

# counted NAME POEM COMMAND..: the command must tell the poem's size.
counted() {
    local name=$1 size
    size=$(size "$2")
    shift 2
    if timeout "$limit" "$@" >"$work/out" 2>"$work/err" && grep -q "^Task 1: $size bytes of poetry$" "$work/out"; then
        ok "$name"
    else
        fail "$name ($(tail -n 1 "$work/out") $(head -n 1 "$work/err"))"
    fi
}

# our_clients NAME POEM: every client of the ladder against the server on $port.
our_clients() {
    local client
    for client in poetry-0-no-reactor poetry-1-reader poetry-2-protocol; do
        counted "$1 -> $client" "$2" "$bin/$client" "$port"
    done
    for client in poetry-3-callback poetry-4-deferred; do
        whole "$1 -> $client" "$2" "$bin/$client" "$port"
    done
    whole "$1 -> get-poetry" "$2" "$bin/get-poetry" --print "$port"
}

# nc_server POEM CHECK CLIENT [OPTION]: one of our clients against an nc that serves the poem, once.
nc_server() {
    local poem=$1 check=$2 client=$3
    shift 3
    serve bash -c 'exec nc -v -N -l 127.0.0.1 0 <"$1"' nc "$work/$poem"
    "$check" "nc, $poem -> $client" "$work/$poem" "$bin/$client" "$@" "$port"
}

# other_clients NAME POEM: every client that is not ours against the server on $port.
other_clients() {
    if [[ -n $python ]]; then
        whole "$1 -> Twisted" "$2" "$python" "$interop/twisted_client.py" "$port"
    fi
    if [[ -n $nc ]]; then
        whole "$1 -> nc" "$2" nc -d 127.0.0.1 "$port"
        whole "$1 -> nc -N, its half closed" "$2" nc -N 127.0.0.1 "$port" </dev/null
    fi
    if [[ -n $curl && $2 != *random* ]]; then
        whole "$1 -> curl telnet://" "$2" curl -sS --no-buffer "telnet://127.0.0.1:$port" </dev/null
    fi
}

# The poems. curl speaks telnet, to which the bytes 255 and 13 mean something: it gets random bytes without them.
: >"$work/empty"
cp examples/poems/ode-to-the-west-wind.txt "$work/3kB"
head -c 50000000 /dev/urandom >"$work/50MB-random"
head -c 51000000 /dev/urandom | LC_ALL=C tr -d '\377\r' | head -c 50000000 >"$work/50MB-telnet"

nc=$(command -v nc) || nc=
curl=$(command -v curl) || curl=
[[ -n $nc ]] || skip "nc: not installed"
[[ -n $curl ]] || skip "curl: not installed"

venv=$target/interop-venv
python=
if [[ ! -x $venv/bin/python ]] && command -v python3 >/dev/null; then
    python3 -m venv "$venv" >/dev/null 2>&1
fi
if [[ -x $venv/bin/python ]]; then
    "$venv/bin/python" -c 'import twisted' 2>/dev/null || "$venv/bin/python" -m pip install --quiet twisted 2>&1 | head -n 3
fi
for candidate in "$venv/bin/python" python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import twisted' 2>/dev/null; then
        python=$(command -v "$candidate")
        echo "Twisted $("$python" -c 'import twisted; print(twisted.__version__)')"
        break
    fi
done
[[ -n $python ]] || skip "Twisted: it cannot be installed here"

for poem in empty 3kB 50MB-random 50MB-telnet; do
    serve "$bin/fast-poetry" "$work/$poem"
    [[ $poem == 50MB-telnet ]] || our_clients "fast-poetry, $poem" "$work/$poem"
    other_clients "fast-poetry, $poem" "$work/$poem"
done
for poem in empty 3kB; do
    serve "$bin/slow-poetry" --num-bytes 100 --delay 0.02 "$work/$poem"
    our_clients "slow-poetry, $poem" "$work/$poem"
    other_clients "slow-poetry, $poem" "$work/$poem"
done
if [[ -n $python ]]; then
    for poem in empty 3kB 50MB-random; do
        serve "$python" "$interop/twisted_server.py" "$work/$poem"
        our_clients "Twisted, $poem" "$work/$poem"
    done
    serve "$python" "$interop/twisted_server.py" "$work/3kB" 100 0.02
    our_clients "slow Twisted, 3kB" "$work/3kB"
fi
if [[ -n $nc ]]; then
    for poem in empty 3kB 50MB-random; do
        for client in poetry-0-no-reactor poetry-1-reader poetry-2-protocol; do
            nc_server "$poem" counted "$client"
        done
        for client in poetry-3-callback poetry-4-deferred; do
            nc_server "$poem" whole "$client"
        done
        nc_server "$poem" whole get-poetry --print
    done
fi

echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed == 0 ]]
