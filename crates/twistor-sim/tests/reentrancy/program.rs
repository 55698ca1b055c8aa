//! Programs: what the library calls, what a user may call at that, and lists of both.

use std::fmt;

use proptest::prelude::*;

/// Everything that the library calls, and everything it drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hook {
    /// Before the reactor runs, outside of it.
    Outside,
    ServerMade,
    ServerData,
    ServerLost,
    ClientMade,
    ClientData,
    ClientLost,
    ReadLost,
    WriteLost,
    PauseWriting,
    ResumeWriting,
    Timeout,
    CloseRequested,
    StartFactory,
    StopFactory,
    Build,
    StartedConnecting,
    AttemptMade,
    AttemptFailed,
    AttemptLost,
    ProducerPause,
    ProducerResume,
    ProducerStop,
    FilterOpened,
    FilterReceived,
    FilterWritten,
    FilterReadClosed,
    FilterClosing,
    FilterTimer,
    Timer,
    Post,
    RemotePost,
    Notification,
    Trigger,
    ThreadCall,
    SharedPost,
    Signal,
    WatchRead,
    WatchLost,
    WatchPost,
    /// Inside a `try_with`: in place, since the user asked for it.
    Lent,
    /// In a Deferred: in place, that is the rule.
    DeferredFired,
    DropProtocol,
    DropFactory,
    DropProducer,
    DropFilter,
    DropClosure,
    DropBytes,
    DropWatched,
}

pub(crate) const HOOKS: [Hook; 49] = {
    use Hook::*;
    [
        Outside,
        ServerMade,
        ServerData,
        ServerLost,
        ClientMade,
        ClientData,
        ClientLost,
        ReadLost,
        WriteLost,
        PauseWriting,
        ResumeWriting,
        Timeout,
        CloseRequested,
        StartFactory,
        StopFactory,
        Build,
        StartedConnecting,
        AttemptMade,
        AttemptFailed,
        AttemptLost,
        ProducerPause,
        ProducerResume,
        ProducerStop,
        FilterOpened,
        FilterReceived,
        FilterWritten,
        FilterReadClosed,
        FilterClosing,
        FilterTimer,
        Timer,
        Post,
        RemotePost,
        Notification,
        Trigger,
        ThreadCall,
        SharedPost,
        Signal,
        WatchRead,
        WatchLost,
        WatchPost,
        Lent,
        DeferredFired,
        DropProtocol,
        DropFactory,
        DropProducer,
        DropFilter,
        DropClosure,
        DropBytes,
        DropWatched,
    ]
};

impl Hook {
    /// Whether it may run inside a call of the user's.
    pub(crate) const fn may_nest(self) -> bool {
        use Hook::*;
        matches!(
            self,
            Lent | DeferredFired
                | DropProtocol
                | DropFactory
                | DropProducer
                | DropFilter
                | DropClosure
                | DropBytes
                | DropWatched
        )
    }
}

/// A call of the public interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Write,
    WriteBytes,
    WriteSequence,
    Lose,
    LoseWrite,
    Abort,
    Fail,
    PauseReading,
    ResumeReading,
    StopProducing,
    RegisterPush,
    RegisterPull,
    Unregister,
    StopConsuming,
    SetTimeout,
    SetMarks,
    SetMaxBuffer,
    SetCloseTimeout,
    Switch,
    PushFilter,
    Ask,
    TryWith,
    Post,
    Call,
    RemotePost,
    Connect,
    StopConnecting,
    Disconnect,
    ConnectTcp,
    ConnectNowhere,
    ConnectShared,
    ConnectProtocol,
    Listen,
    StopListening,
    StartListening,
    StopAccepting,
    Drain,
    SharedTryWith,
    SharedPost,
    Refuse,
    Stop,
    Crash,
    CallLater,
    CancelTimer,
    MoveTimer,
    CallWhenRunning,
    AddTrigger,
    FireEvent,
    RemoveTrigger,
    CallFromThread,
    DeferToThread,
    OnSignal,
    RaiseSignal,
    AddWatch,
    WatchInterest,
    WatchTryWith,
    WatchPost,
    RemoveWatch,
    RemoveAll,
    MakeDeferred,
    FirePromise,
    DropPromise,
    CancelDeferred,
    DropDeferred,
    LetGo,
    Panic,
}

const ACTIONS: [Action; 66] = {
    use Action::*;
    [
        Write,
        WriteBytes,
        WriteSequence,
        Lose,
        LoseWrite,
        Abort,
        Fail,
        PauseReading,
        ResumeReading,
        StopProducing,
        RegisterPush,
        RegisterPull,
        Unregister,
        StopConsuming,
        SetTimeout,
        SetMarks,
        SetMaxBuffer,
        SetCloseTimeout,
        Switch,
        PushFilter,
        Ask,
        TryWith,
        Post,
        Call,
        RemotePost,
        Connect,
        StopConnecting,
        Disconnect,
        ConnectTcp,
        ConnectNowhere,
        ConnectShared,
        ConnectProtocol,
        Listen,
        StopListening,
        StartListening,
        StopAccepting,
        Drain,
        SharedTryWith,
        SharedPost,
        Refuse,
        Stop,
        Crash,
        CallLater,
        CancelTimer,
        MoveTimer,
        CallWhenRunning,
        AddTrigger,
        FireEvent,
        RemoveTrigger,
        CallFromThread,
        DeferToThread,
        OnSignal,
        RaiseSignal,
        AddWatch,
        WatchInterest,
        WatchTryWith,
        WatchPost,
        RemoveWatch,
        RemoveAll,
        MakeDeferred,
        FirePromise,
        DropPromise,
        CancelDeferred,
        DropDeferred,
        LetGo,
        Panic,
    ]
};

/// At the `nth` call of `hook`: `action`, on the object `who` (0 is one's own, as far as there is one), with `size` of whatever it takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) hook: Hook,
    pub(crate) nth: u8,
    pub(crate) action: Action,
    pub(crate) who: u8,
    pub(crate) size: u8,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hook, nth, action, who, size } = self;
        write!(f, "{hook:?} #{nth}: {action:?}(who {who}, size {size})")
    }
}

/// How the reactor is ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Stopped in order, then dropped.
    Stop,
    /// Dropped after so many turns.
    DropAfter(u16),
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) orders: Vec<Order>,
    pub(crate) clients: u8,
    pub(crate) end: End,
}

pub(crate) fn programs() -> impl Strategy<Value = Program> {
    let order =
        (0..HOOKS.len(), prop_oneof![3 => Just(0_u8), 1 => 1..4_u8], 0..ACTIONS.len(), 0..4_u8, 0..6_u8);
    let order = order.prop_map(|(hook, nth, action, who, size)| Order {
        hook: HOOKS[hook],
        nth,
        action: ACTIONS[action],
        who,
        size,
    });
    let end = prop_oneof![Just(End::Stop), (0..40_u16).prop_map(End::DropAfter)];
    (proptest::collection::vec(order, 0..60), 1..4_u8, end).prop_map(|(orders, clients, end)| Program {
        orders,
        clients,
        end,
    })
}
