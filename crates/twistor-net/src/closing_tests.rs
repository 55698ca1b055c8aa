//! Every cell of the table of states, written out, and what must hold on every path through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Effects, Input, NOTHING, State, step};

const STATES: [State; 11] = [
    State::Connecting,
    State::Open,
    State::WriteClosing,
    State::WriteClosed,
    State::ReadClosed,
    State::HalfClosing,
    State::Closing,
    State::Finishing,
    State::Aborting,
    State::Lingering,
    State::Lost,
];

const INPUTS: [Input; 11] = [
    Input::Announce,
    Input::LoseConnection,
    Input::LoseWrite,
    Input::Abort,
    Input::PeerFin,
    Input::Flushed,
    Input::SocketFailed,
    Input::Deadline,
    Input::EndOfTurn,
    Input::LingerOver,
    Input::ReactorEnds,
];

/// The whole machine. A row is a state, a column an input; each cell says where it leads and, after the colon, what is to be done:
///
/// | letter | effect | letter | effect |
/// |---|---|---|---|
/// | `s` | stop reading | `R` | tell `read_connection_lost` |
/// | `d` | drop the output | `W` | tell `write_connection_lost` |
/// | `f` | flush | `q` | queue the end |
/// | `F` | send the FIN | `L` | tell `connection_lost` |
/// | `r` | reset on close | `c` | close the socket |
///
/// `-` is "stays, and nothing happens". `Gone` is `Lingering`, or `Lost` if the peer's FIN was seen. Nothing else depends on that.
const TABLE: &str = "
             | Announce | LoseConnection | LoseWrite       | Abort         | PeerFin          | Flushed         | SocketFailed | Deadline    | EndOfTurn  | LingerOver | ReactorEnds
Connecting   | Open     | Closing:sf     | WriteClosing:f  | Aborting:sdrq | Lost:sdLc        | -               | Lost:sdLc    | -           | -          | -          | Lost:sdLc
Open         | -        | Closing:sf     | WriteClosing:f  | Aborting:sdrq | ReadClosed:R     | -               | Lost:sdLc    | -           | -          | -          | Lost:sdLc
WriteClosing | -        | Closing:sf     | -               | Aborting:sdrq | HalfClosing:R    | WriteClosed:FW  | Lost:sdLc    | -           | -          | -          | Lost:sdLc
WriteClosed  | -        | Finishing:sq   | -               | Aborting:sdrq | Finishing:sRq    | -               | Lost:sdLc    | -           | -          | -          | Lost:sdLc
ReadClosed   | -        | Closing:sf     | HalfClosing:f   | Aborting:sdrq | -                | -               | Lost:sdLc    | -           | -          | -          | Lost:sdLc
HalfClosing  | -        | Closing:sf     | -               | Aborting:sdrq | -                | Finishing:sFWq  | Lost:sdLc    | Lost:sdrLc  | -          | -          | Lost:sdLc
Closing      | -        | -              | -               | Aborting:sdrq | -                | Gone:sdFLc      | Lost:sdLc    | Lost:sdrLc  | -          | -          | Lost:sdLc
Finishing    | -        | -              | -               | Aborting:sdrq | -                | -               | -            | -           | Gone:sdLc  | -          | Lost:sdLc
Aborting     | -        | -              | -               | -             | -                | -               | -            | -           | Lost:sdLc  | -          | Lost:sdLc
Lingering    | -        | -              | -               | -             | -                | -               | Lost:c       | -           | -          | Lost:c     | Lost:c
Lost         | -        | -              | -               | -             | -                | -               | -            | -           | -          | -          | -
";

/// What is true of a state, as text: `w` takes writes, `p` takes them from a producer alone, `r` reads, `f` waits for a flush, `o` is
/// over, `l` is lost.
const FACTS: &str = "
Connecting   | w r
Open         | w r
WriteClosing | p r f
WriteClosed  | r
ReadClosed   | w
HalfClosing  | p f
Closing      | p f
Finishing    | o
Aborting     | o
Lingering    | o l
Lost         | o l
";

/// A cell of the table, read back from the text.
fn parse(cell: &str, state: State, fin_seen: bool) -> (State, Effects) {
    if cell == "-" {
        return (state, NOTHING);
    }
    let (name, letters) = cell.split_once(':').unwrap_or((cell, ""));
    let gone = if fin_seen { State::Lost } else { State::Lingering };
    let next = if name == "Gone" { gone } else { named(name) };
    let mut effects = NOTHING;
    for letter in letters.chars() {
        let effect = match letter {
            's' => &mut effects.stop_reading,
            'd' => &mut effects.drop_output,
            'f' => &mut effects.flush,
            'F' => &mut effects.send_fin,
            'r' => &mut effects.reset,
            'R' => &mut effects.tell_read,
            'W' => &mut effects.tell_write,
            'q' => &mut effects.queue_end,
            'L' => &mut effects.tell_lost,
            'c' => &mut effects.close,
            other => panic!("no effect has the letter {other:?}"),
        };
        assert!(!*effect, "an effect twice in {cell:?}");
        *effect = true;
    }
    (next, effects)
}

fn named(name: &str) -> State {
    let found = STATES.into_iter().find(|state| format!("{state:?}") == name);
    found.unwrap_or_else(|| panic!("no state is called {name:?}"))
}

/// The cells of the text, by state and input; every one of them must be there.
fn cells() -> BTreeMap<(State, Input), &'static str> {
    let mut lines = TABLE.lines().filter(|line| !line.trim().is_empty());
    let head: Vec<_> = lines.next().expect("a head").split('|').skip(1).map(str::trim).collect();
    assert_eq!(head, INPUTS.map(|input| format!("{input:?}")), "the columns are the inputs");
    let mut cells = BTreeMap::new();
    for (line, state) in lines.zip(STATES) {
        let mut row = line.split('|').map(str::trim);
        assert_eq!(row.next(), Some(format!("{state:?}").as_str()), "the rows are the states");
        let row: Vec<_> = row.collect();
        assert_eq!(row.len(), INPUTS.len(), "{state:?} has a cell for every input");
        for (cell, input) in row.into_iter().zip(INPUTS) {
            assert!(!cell.is_empty(), "{state:?} x {input:?} says nothing");
            cells.insert((state, input), cell);
        }
    }
    assert_eq!(cells.len(), STATES.len() * INPUTS.len());
    cells
}

#[test]
fn tcp_27_to_32_every_cell_of_the_table() {
    for ((state, input), cell) in cells() {
        for fin_seen in [false, true] {
            assert_eq!(
                step(state, input, fin_seen),
                parse(cell, state, fin_seen),
                "{state:?} x {input:?}, FIN seen: {fin_seen}"
            );
        }
    }
}

#[test]
fn every_state_takes_and_gives_what_the_table_says() {
    let rows = FACTS.lines().filter(|line| !line.trim().is_empty());
    let mut count = 0;
    for (row, state) in rows.zip(STATES) {
        let (name, facts) = row.split_once('|').expect("a name and facts");
        assert_eq!(named(name.trim()), state);
        let is = |fact| facts.split_whitespace().any(|word| word == fact);
        assert_eq!(state.takes_writes(false), is("w"), "{state:?} takes writes");
        assert_eq!(state.takes_writes(true), is("w") || is("p"), "{state:?} takes a producer's writes");
        assert_eq!(state.reads(), is("r"), "{state:?} reads");
        assert_eq!(state.waits_for_flush(), is("f"), "{state:?} waits for the flush");
        assert_eq!(state.is_over(), is("o"), "{state:?} is over");
        assert_eq!(state.is_lost(), is("l"), "{state:?} is lost");
        count += 1;
    }
    assert_eq!(count, STATES.len());
}

/// A connection somewhere on its way, with all that it did: enough to say what may still happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Journey {
    state: State,
    fin_seen: bool,
    /// How often each was told or done, up to 2: a third time is no news.
    read: u8,
    write: u8,
    lost: u8,
    fin: u8,
    /// The socket was handed to the lingerers.
    handed_on: u8,
    closed: u8,
    /// An end is queued: the notification will come.
    end_queued: bool,
    /// Whether the connection was ever asked to end at once.
    reset: bool,
}

impl Journey {
    const fn begin() -> Self {
        Self {
            state: State::Connecting,
            fin_seen: false,
            read: 0,
            write: 0,
            lost: 0,
            fin: 0,
            handed_on: 0,
            closed: 0,
            end_queued: false,
            reset: false,
        }
    }

    /// What `Conn` does with the answer of `step`.
    fn after(&self, input: Input) -> (Self, Effects) {
        let mut next = self.clone();
        // The one who reads the FIN notes it before it applies the input.
        next.fin_seen |= input == Input::PeerFin;
        let (state, effects) = step(self.state, input, next.fin_seen);
        let count = |so_far: &mut u8, yes: bool| *so_far = (*so_far + u8::from(yes)).min(2);
        count(&mut next.read, effects.tell_read);
        count(&mut next.write, effects.tell_write);
        count(&mut next.lost, effects.tell_lost);
        count(&mut next.fin, effects.send_fin);
        count(&mut next.handed_on, effects.close && state == State::Lingering);
        count(&mut next.closed, effects.close && state == State::Lost);
        next.end_queued = (self.end_queued || effects.queue_end) && input != Input::EndOfTurn;
        next.reset |= effects.reset;
        next.state = state;
        (next, effects)
    }

    /// What can happen here. An `EndOfTurn` comes only if it was queued; everything else may come at any time, sensible or not.
    fn inputs(&self) -> impl Iterator<Item = Input> {
        let queued = self.end_queued;
        INPUTS.into_iter().filter(move |&input| input != Input::EndOfTurn || queued)
    }
}

/// Every journey that some sequence of inputs leads to, found breadth first, with a shortest way to each.
fn journeys() -> BTreeMap<Journey, Vec<Input>> {
    let mut found = BTreeMap::from([(Journey::begin(), Vec::new())]);
    let mut queue = VecDeque::from([Journey::begin()]);
    while let Some(journey) = queue.pop_front() {
        let way = found[&journey].clone();
        for input in journey.inputs() {
            let (next, _) = journey.after(input);
            if !found.contains_key(&next) {
                let mut longer = way.clone();
                longer.push(input);
                found.insert(next.clone(), longer);
                queue.push_back(next);
            }
        }
    }
    found
}

#[test]
fn every_state_is_reached() {
    let reached: BTreeSet<_> = journeys().into_keys().map(|journey| journey.state).collect();
    assert_eq!(reached, BTreeSet::from(STATES));
}

#[test]
fn tcp_32_connection_lost_is_told_exactly_once_on_every_path_that_ends() {
    for (journey, way) in journeys() {
        let told = u8::from(journey.state.is_lost());
        assert_eq!(journey.lost, told, "{journey:?} after {way:?}");
    }
}

#[test]
fn half_02_each_half_is_told_once_at_most_and_not_after_the_end() {
    for (journey, way) in journeys() {
        assert!(journey.read <= 1 && journey.write <= 1, "{journey:?} after {way:?}");
        assert!(journey.fin <= 1, "one FIN: {journey:?} after {way:?}");
        for input in journey.inputs() {
            let (_, effects) = journey.after(input);
            let tells = effects.tell_read || effects.tell_write || effects.tell_lost;
            assert!(journey.lost == 0 || !tells, "{journey:?} after {way:?}, then {input:?}");
        }
    }
}

#[test]
fn the_socket_is_closed_exactly_once() {
    for (journey, way) in journeys() {
        assert_eq!(journey.closed, u8::from(journey.state == State::Lost), "{journey:?} after {way:?}");
        assert!(journey.handed_on <= 1, "{journey:?} after {way:?}");
        assert_eq!(journey.state == State::Lingering, journey.handed_on == 1 && journey.closed == 0);
        // Who has a FIN to wait for lingers; who was reset or has seen it does not (R10).
        assert!(!(journey.handed_on == 1 && journey.reset), "{journey:?} after {way:?}");
    }
}

#[test]
fn nothing_follows_the_end() {
    for input in INPUTS {
        for fin_seen in [false, true] {
            assert_eq!(step(State::Lost, input, fin_seen), (State::Lost, NOTHING));
        }
    }
}

/// A connection that is ending comes to its end by what the library itself brings: the queued notification, the flush or its deadline,
/// the limits of lingering. One that is not comes there when the user or the peer ends it, or the reactor does.
#[test]
fn no_path_gets_stuck() {
    let own = [Input::EndOfTurn, Input::Deadline, Input::LingerOver];
    for (journey, way) in journeys() {
        let ends_alone = ends_by(&journey, &own);
        let must = journey.state.is_over() || matches!(journey.state, State::Closing | State::HalfClosing);
        assert_eq!(ends_alone, must, "{journey:?} after {way:?}, by itself");
        let flushed = [&own[..], &[Input::Flushed]].concat();
        for end in [Input::LoseConnection, Input::Abort, Input::SocketFailed, Input::ReactorEnds] {
            let (ending, _) = journey.after(end);
            assert!(ends_by(&ending, &own), "{journey:?} after {way:?}, then {end:?}");
            assert!(ends_by(&ending, &flushed), "{journey:?} after {way:?}, then {end:?} and a flush");
        }
        // Both directions shut is the end, with no further word of the user's (R11).
        if !journey.state.is_over() {
            let (half, _) = journey.after(Input::LoseWrite);
            let (both, _) = half.after(Input::PeerFin);
            assert!(ends_by(&both, &flushed), "{journey:?} after {way:?}, then both halves");
        }
    }
}

/// Whether `Lost` is reached whichever of `inputs` come, in whatever order, as long as something can still change.
fn ends_by(journey: &Journey, inputs: &[Input]) -> bool {
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([journey.clone()]);
    while let Some(journey) = queue.pop_front() {
        if journey.state == State::Lost || !seen.insert(journey.clone()) {
            continue;
        }
        let possible = inputs.iter().filter(|&&input| input != Input::EndOfTurn || journey.end_queued);
        let next: Vec<_> =
            possible.map(|&input| journey.after(input).0).filter(|next| *next != journey).collect();
        if next.is_empty() {
            return false;
        }
        queue.extend(next);
    }
    true
}

#[test]
fn a_queued_end_always_leads_to_one() {
    let mut seen = 0;
    for (journey, way) in journeys() {
        for input in journey.inputs() {
            let (next, effects) = journey.after(input);
            if effects.queue_end {
                seen += 1;
                assert!(next.state.is_over() && next.end_queued, "{journey:?} after {way:?}, then {input:?}");
                let (ended, effects) = next.after(Input::EndOfTurn);
                assert!(
                    effects.tell_lost && ended.state.is_lost(),
                    "{journey:?} after {way:?}, then {input:?}"
                );
            }
        }
        // An end that is told later has its notification under way.
        let waits = matches!(journey.state, State::Finishing | State::Aborting);
        assert!(!waits || journey.end_queued, "{journey:?} after {way:?}");
    }
    assert!(seen > 0);
}

#[test]
fn tcp_29_nothing_is_read_once_the_close_began() {
    for (journey, way) in journeys() {
        for input in journey.inputs() {
            let (next, effects) = journey.after(input);
            if journey.state.reads() && !next.state.reads() && input != Input::PeerFin {
                assert!(effects.stop_reading, "{journey:?} after {way:?}, then {input:?}");
            }
            assert!(
                journey.state.reads() || !next.state.reads(),
                "{journey:?} after {way:?}, then {input:?}"
            );
        }
    }
}

#[test]
fn tcp_31_an_abort_drops_and_resets_and_the_first_end_wins() {
    for state in STATES {
        let (next, effects) = step(state, Input::Abort, false);
        match state {
            State::Aborting | State::Lingering | State::Lost => assert_eq!((next, effects), (state, NOTHING)),
            _ => {
                assert_eq!(next, State::Aborting);
                assert!(effects.drop_output && effects.reset && effects.queue_end && !effects.tell_lost);
            }
        }
    }
}

/// The user's own calls only note and queue: whatever is told, is told from the loop (R12; HALF-05).
#[test]
fn half_05_no_call_of_the_users_tells_anything_in_place() {
    for state in STATES {
        for input in [Input::LoseConnection, Input::LoseWrite, Input::Abort] {
            for fin_seen in [false, true] {
                let (_, effects) = step(state, input, fin_seen);
                let in_place = effects.tell_read || effects.tell_write || effects.tell_lost || effects.close;
                assert!(!in_place, "{state:?} x {input:?}");
            }
        }
    }
}
