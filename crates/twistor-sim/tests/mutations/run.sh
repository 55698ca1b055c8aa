#!/usr/bin/env bash
# Puts one bug after the other into a copy of the library and has the search look for it: a line for each says at which seed it was found,
# after how many seeds, and as what. Ends with 1 if one was not found.
#
#   bash crates/twistor-sim/tests/mutations/run.sh [SEEDS [NAME..]]
#
# SEEDS is how many seeds to try under each weather, 10000 if not said; NAMEs restrict it to some of the bugs. Not part of .ci/run: each bug
# costs a build. The copy is in a temporary directory; CARGO_TARGET_DIR, if set, is used for its builds.
set -euo pipefail
root="$(cd "$(dirname "$0")/../../../.." && pwd)"
seeds="${1:-10000}"
shift || true
wanted=" $* "
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
tar -C "$root" --exclude=./target --exclude=./.git -cf - . | tar -C "$work" -xf -
# Newer than anything that was built of another copy in the same CARGO_TARGET_DIR.
find "$work" -name '*.rs' -exec touch {} +
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$work/target}" CARGO_PROFILE_DEV_DEBUG=0 CARGO_TERM_COLOR=never
missed=0

explore() { # weather
    (cd "$work" && cargo run --quiet -p twistor-sim --example explore -- "0..$seeds" "$1" 2>&1) || true
}

# name, file under crates/, perl expression over the whole file
bug() {
    local name="$1" file="$work/crates/$2" expression="$3" line=""
    [[ "$wanted" == "  " || "$wanted" == *" $name "* ]] || return 0
    cp "$file" "$work/original"
    perl -0pi -e "$expression" "$file"
    if cmp -s "$file" "$work/original"; then
        echo "$name: the bug does not fit the code any more"
        exit 2
    fi
    for weather in harmless resets; do
        line="$(explore "$weather" | grep -m1 -E 'seed [0-9]+ fails|error' | cut -c1-200 || true)"
        [ -z "$line" ] || break
    done
    # With its time, so that the next build sees it.
    cp "$work/original" "$file"
    case "$line" in
        *fails*) echo "$name: $line" ;;
        *) echo "$name: NOT FOUND $line"; missed=1 ;;
    esac
}

net=twistor-net/src
bug lost-resume $net/connection/flow.rs \
    's/(Pressure::Paused => \{\s*self\.pressure\.set\(Pressure::ResumePending\);)\s*self\.queue_note\(NOTE_FLOW\);/$1/'
bug producer-not-resumed $net/connection/flow.rs \
    's/\(ProducerKind::Push, ProducerState::Paused, false\)\s*\| //'
bug close-forgets-buffer $net/closing.rs \
    's/(BEGIN_CLOSE: Effects = Effects \{ stop_reading: true,)/$1 drop_output: true,/'
bug lost-twice $net/connection/ending.rs \
    's/let call = \|\|/let mut call = ||/; s/(let _ = self\.guard\("connection_lost", )call\);/$1&mut call);\n$1call);/'
bug timer-in-the-same-turn twistor-deferred/src/timers.rs \
    's/end: self\.shared\.state\.borrow\(\)\.next_order/end: u64::MAX/'
bug short-read-is-drained $net/connection/reading.rs \
    's/if drained && self/if self/'
bug short-send-drops-the-rest $net/connection/writing.rs \
    's/outbox\.advance\(sent\);/let all = outbox.len().max(sent);\noutbox.advance(all);/'
bug no-fin $net/closing.rs \
    's/\(WriteClosed, Effects \{ send_fin: true,/(WriteClosed, Effects { send_fin: false,/'
bug write-after-close $net/closing.rs \
    's/Self::WriteClosing \| Self::HalfClosing \| Self::Closing => producer/Self::WriteClosing | Self::HalfClosing | Self::Closing => producer || true/'
bug paused-reads-on $net/connection/reading.rs \
    's/self\.reading\.get\(\) == Reading::Flowing && self\.state/self.reading.get() != Reading::Ended && self.state/'
bug reset-is-done $net/connection/ending.rs \
    's/self\.note_reason\(CloseReason::from\(error\)\);(\s*\}\s*self\.apply\(Input::SocketFailed\))/drop(error);$1/'
bug interrupted-send-forgotten $net/connection/writing.rs \
    's/Interrupted => self\.come_again\(\)/Interrupted => {}/'
bug writable-ignored $net/connection/reading.rs \
    's/if readiness\.is_writable\(\) \{\s*self\.write_edge\.set\(WriteEdge::Open\);\s*\}/let _ = WriteEdge::Open;/'
bug shortage-not-retried $net/connection/writing.rs \
    's/conn\.write_edge\.set\(WriteEdge::Open\);\s*conn\.in_span/conn.in_span/'
bug edge-before-connected $net/client/attempt.rs \
    's/=> self\.seen\.set\(Some\(self\.with_seen\(readiness\)\)\)/=> {}/'
exit $missed
