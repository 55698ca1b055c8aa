#!/usr/bin/env bash
# Puts one bug after the other into a copy of the library and has the models of threads (loom), or the fuzz targets on pseudo-random bytes,
# look for it: a line for each says what found it. Ends with 1 if one was not found.
#
#   bash fuzz/mutations.sh [NAME..]
#
# NAMEs restrict it to some of the bugs. Not part of .ci/run: each bug costs a build. The copy is in a temporary directory; CARGO_TARGET_DIR, if
# set, is used for its builds.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
wanted=" $* "
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
tar -C "$root" --exclude=./target --exclude=./.git -cf - . | tar -C "$work" -xf -
# Newer than anything that was built of another copy in the same CARGO_TARGET_DIR.
find "$work" -name '*.rs' -exec touch {} +
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$work/target}" CARGO_PROFILE_DEV_DEBUG=0 CARGO_TERM_COLOR=never
missed=0

# What searches: the names of the tests that fail.
threads() {
    (cd "$work" && RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 timeout 300 cargo test --quiet -p twistor-reactor --no-default-features \
        --lib --release --target-dir "$CARGO_TARGET_DIR/loom" loom_tests 2>&1) || true
}
bytes() {
    (cd "$work" && timeout 300 cargo test --quiet -p twistor-fuzz --test replay 2>&1) || true
}

# name, who is to find it, file, perl expression over the whole file
bug() {
    local name="$1" search="$2" file="$work/$3" expression="$4" output="" found=""
    [[ "$wanted" == "  " || "$wanted" == *" $name "* ]] || return 0
    cp "$file" "$work/original"
    perl -0pi -e "$expression" "$file"
    if cmp -s "$file" "$work/original"; then
        echo "$name: the bug does not fit the code any more"
        exit 2
    fi
    output="$("$search")"
    # With its time, so that the next build sees it.
    cp "$work/original" "$file"
    touch "$file"
    if grep -q '^error' <<<"$(grep -v 'test failed' <<<"$output")"; then
        echo "$name: does not build: $(grep -m1 -A4 '^error' <<<"$output")"
        missed=1
        return 0
    fi
    found="$(grep -oE '^(loom_tests::)?[a-z0-9_:]+ --- FAILED' <<<"$output" | sed -E 's/ --- FAILED//; s/loom_tests:://' | sort -u | tr '\n' ' ' || true)"
    [ -n "$found" ] || found="$(grep -oE "^thread '[a-z0-9_:]+'" <<<"$output" | sed -E "s/thread '(loom_tests::)?//; s/'//" | sort -u | tr '\n' ' ' || true)"
    if [ -n "$found" ]; then
        echo "$name: found by $found"
    else
        echo "$name: NOT FOUND"
        missed=1
    fi
}

reactor=crates/twistor-reactor/src
bug call-wakes-nobody threads $reactor/remote.rs \
    's/if queued\.len\(\) > 1 \{/if !queued.is_empty() {/'
bug calls-taken-flag-cleared-later threads $reactor/remote.rs \
    's/self\.shared\.waiting\.store\(false, Ordering::Release\);\s*match &mut \*calls \{\s*Calls::Open \{ queued, \.\. \} => std::mem::take\(queued\),\s*Calls::Gone => Vec::new\(\),\s*\}/let taken = match &mut *calls { Calls::Open { queued, .. } => std::mem::take(queued), Calls::Gone => Vec::new() };\ndrop(calls);\nself.shared.waiting.store(false, Ordering::Release);\ntaken/'
bug closed-takes-calls threads $reactor/remote.rs \
    's/std::mem::replace\(&mut \*calls, Calls::Gone\)/std::mem::replace(&mut *calls, Calls::Open { queued: Vec::new(), waker: Waker::noop().clone() })/'
bug woken-task-wakes-nobody threads $reactor/tasks/woken.rs \
    's/self\.remote\.wake\(\);//'
bug attended-is-asked-not-claimed threads $reactor/tasks/woken.rs \
    's/if !self\.attended\.swap\(true, Ordering::AcqRel\)/if !self.attended.load(Ordering::Acquire) && !self.attended.swap(true, Ordering::AcqRel)/'
bug tasks-taken-flag-cleared-later threads $reactor/tasks/woken.rs \
    's/self\.waiting\.store\(false, Ordering::Release\);\s*(if let Some\(queue\) = &mut \*queue \{\s*std::mem::swap\(queue, batch\);\s*\})/$1\ndrop(queue);\nself.waiting.store(false, Ordering::Release);/'
bug woken-twice-queued-twice threads $reactor/tasks/woken.rs \
    's/if !self\.queued\.swap\(true, Ordering::AcqRel\)/if !self.queued.swap(true, Ordering::AcqRel) || true/'
bug poll-sees-no-wake threads $reactor/tasks/woken.rs \
    's/self\.queued\.swap\(false, Ordering::AcqRel\);/self.queued.store(false, Ordering::Relaxed);/'
bug job-ends-in-silence threads $reactor/threads.rs \
    's/(self\.outstanding\.fetch_sub\(1, Ordering::AcqRel\);)\s*self\.remote\.wake\(\);/$1/'
bug delay-starts-now bytes crates/twistor-deferred/src/delayed_call.rs \
    's/self\.time\(\)\.and_then\(\|at\| at\.checked_add\(by\)\)/timers.now().checked_add(by)/'
bug cancel-changes-nothing bytes crates/twistor-deferred/src/chain/links.rs \
    's/if links\.phase\(\) == Phase::Cancelling \{/if links.phase() == Phase::Cancelling \&\& target.links().waits_on().is_some() {/'
bug nobody-is-told bytes crates/twistor-deferred/src/chain.rs \
    's/discard\(result, driver\.chain\.as_ref\(\)\);/drop(result);/'
bug brackets-stay bytes crates/twistor-net/src/address.rs \
    's/unwrap_or\(host\);\s*if let Ok\(ip\) = bare/unwrap_or(host);\nif let Ok(ip) = host/'
bug length-is-not-limited bytes examples/poetry-transform/src/frame.rs \
    's/if payload <= self\.limit/if payload <= self.limit * 2/'
bug frame-leaves-a-byte bytes examples/poetry-transform/src/frame.rs \
    's/self\.bytes\.drain\(\.\.end\);/self.bytes.drain(..end.min(self.bytes.len() - 1));/'
bug drained-too-little bytes crates/twistor-sim/src/stream.rs \
    's/self\.inbox\.drain\(\.\.wanted\);/self.inbox.drain(..wanted.div_ceil(2));/'
exit $missed
