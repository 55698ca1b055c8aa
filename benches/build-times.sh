#!/usr/bin/env bash
# How long a clean release build of `twistor` takes, beside one of tokio with what a client or a server needs of it.
#
#   bash benches/build-times.sh [ROUNDS]
#
# Two tiny programs, one on each, are built from nothing in turn, ROUNDS times each (3 unless told otherwise), with the versions of this
# workspace's Cargo.lock. Nothing is downloaded while the time runs. Prints a table in Markdown: medians, and the median of the ratios of one
# round. Processor time is user and system, of cargo and all that it starts; it says more than time that passes where others use the machine.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
rounds="${1:-3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR RUSTFLAGS
export CARGO_TERM_COLOR=never
TIMEFORMAT='%R %U %S'

# name, dependency, main
program() {
    mkdir -p "$work/$1/src"
    cp "$root/Cargo.lock" "$work/$1/"
    printf '[package]\nname = "with-%s"\nversion = "0.1.0"\nedition = "2024"\n\n[dependencies]\n%s\n\n[workspace]\n' "$1" "$2" \
        >"$work/$1/Cargo.toml"
    printf '%s\n' "$3" >"$work/$1/src/main.rs"
    (cd "$work/$1" && cargo fetch --quiet)
}

program twistor "twistor = { path = \"$root/crates/twistor\" }" \
    'fn main() { println!("{:?}", twistor::Reactor::new().map(|reactor| reactor.is_finished())); }'
program tokio 'tokio = { version = "1", default-features = false, features = ["rt", "net", "io-util", "time", "macros"] }' \
    '#[tokio::main(flavor = "current_thread")] async fn main() { println!("{:?}", tokio::net::TcpListener::bind("127.0.0.1:0").await.is_ok()); }'

# How many crates are built for a program, itself aside. What cargo prints of a crate is the same wherever it stands, but for the mark of a
# repetition.
crates() {
    (cd "$work/$1" && cargo tree --quiet --edges normal --prefix none | sed 's/ (\*)$//' | sort -u | grep -vc "^with-")
}

# Seconds that passed, and of processors.
build() {
    rm -rf "$work/$1/target"
    (cd "$work/$1" && { time cargo build --quiet --release --offline; } 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
    tail -n 1 "$work/log" | awk '{ print $1, $2 + $3 }'
}

for _ in $(seq "$rounds"); do
    for name in twistor tokio; do
        build "$name" >>"$work/$name.times"
    done
done

# file, column
median() {
    awk -v column="$2" '{ print $column }' "$1" | sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}

paste -d ' ' "$work/twistor.times" "$work/tokio.times" | awk '{ print $1 / $3, $2 / $4 }' >"$work/ratios"
printf '%s, %s processors, load %s, %s rounds\n\n' "$(rustc --version)" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg 2>/dev/null || echo '?')" "$rounds"
printf '| clean release build | crates | seconds | of tokio'"'"'s | seconds of processors | of tokio'"'"'s |\n|---|---:|---:|---:|---:|---:|\n'
printf '| twistor | %d | %.1f | %.2f | %.1f | %.2f |\n' "$(crates twistor)" \
    "$(median "$work/twistor.times" 1)" "$(median "$work/ratios" 1)" \
    "$(median "$work/twistor.times" 2)" "$(median "$work/ratios" 2)"
printf '| tokio (rt, net, io-util, time, macros) | %d | %.1f | 1.00 | %.1f | 1.00 |\n' "$(crates tokio)" \
    "$(median "$work/tokio.times" 1)" "$(median "$work/tokio.times" 2)"
