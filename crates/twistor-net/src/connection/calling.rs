//! How the protocol is called, lent, and switched for another.

use std::rc::Rc;

use twistor_deferred::drop_contained;
use twistor_reactor::{CloseReason, LendError};

use super::extras::{Extras, Switch};
use super::{Conn, FlushPlan, Transport};
use crate::Protocol;
use crate::closing::Input;
use crate::protocol::AnyProtocol;

impl Conn {
    /// Calls the protocol from the loop, contains its panic, then does what had to wait for the end of the call: a switch of
    /// protocols, new filters, the flush of what was written.
    pub(super) fn call_protocol(
        self: &Rc<Self>,
        what: &str,
        f: impl FnOnce(&mut dyn AnyProtocol, &Transport),
    ) {
        let mut f = Some(f);
        self.call_with(what, &mut |protocol, transport| {
            if let Some(f) = f.take() {
                f(protocol, transport);
            }
        });
    }

    /// As `call_protocol`: one for all, since they are rare.
    fn call_with(self: &Rc<Self>, what: &str, f: &mut dyn FnMut(&mut dyn AnyProtocol, &Transport)) {
        self.call_protocol_here(what, f);
    }

    /// As `call_protocol`, for the one place where it is worth its room.
    #[inline(always)]
    pub(super) fn call_protocol_here(
        self: &Rc<Self>,
        what: &str,
        f: impl FnOnce(&mut dyn AnyProtocol, &Transport),
    ) {
        let transport = Transport::new(Rc::clone(self));
        let plan = self.flush.replace(FlushPlan::AfterCall);
        let outcome = match self.slot.try_borrow_mut() {
            Ok(mut slot) => match slot.as_mut() {
                Some(protocol) => self.guard(what, || f(&mut **protocol, &transport)),
                None => Ok(()),
            },
            Err(_) => Ok(()), // Lent further up: a reactor is being dropped from inside a `try_with`.
        };
        self.flush.set(if plan == FlushPlan::AfterCall { FlushPlan::None } else { plan });
        if let Err(text) = outcome {
            self.panicked(text);
        }
        self.after_call();
    }

    /// What a call may have left to do.
    #[inline]
    fn after_call(self: &Rc<Self>) {
        if !self.plain.get() {
            self.take_in_filters();
            self.finish_switch();
        }
        if self.outbox.is_some() || self.state.get().waits_for_flush() || self.is_filtered() {
            self.flush_output();
        }
    }

    /// A callback of this connection panicked: it ends, whatever it was about to end with.
    pub(super) fn panicked(self: &Rc<Self>, text: String) {
        if self.state.get().is_lost() {
            return;
        }
        self.replace_reason(CloseReason::panicked(text));
        self.stop_producer(); // Nobody is left who would unregister it.
        self.apply(Input::LoseConnection);
    }

    /// Ends the connection in order, with a reason.
    pub(super) fn fail(self: &Rc<Self>, reason: CloseReason) {
        if self.state.get().is_over() {
            return drop_contained(reason);
        }
        self.note_reason(reason);
        self.apply(Input::LoseConnection);
    }

    /// Lends the protocol as a `P`. Panics of `f` go on to the caller.
    pub(super) fn lend<P: Protocol, R>(
        self: &Rc<Self>,
        epoch: u32,
        f: impl FnOnce(&mut P, &Transport) -> R,
    ) -> Result<R, LendError> {
        /// Tells the protocol of a loss that came while it was lent: the reactor was dropped inside `f`.
        struct Finish<'a>(&'a Rc<Conn>);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                if self.0.unheard.take() {
                    self.0.tell_protocol_lost();
                }
            }
        }
        drop(self.slot.try_borrow_mut().map_err(|_| LendError::Busy)?);
        let _finish = Finish(self); // Declared first, so dropped after the borrow has ended.
        let mut slot = self.slot.borrow_mut();
        let protocol = slot.as_mut().ok_or(LendError::Gone)?;
        if self.epoch.get() != epoch {
            return Err(LendError::Switched);
        }
        let protocol = (**protocol).as_any_mut().downcast_mut::<P>().ok_or(LendError::Switched)?;
        Ok(f(protocol, &Transport::new(Rc::clone(self))))
    }

    /// Queues `f`; the connection's next data waits for it. Dropped uncalled after the loss or a switch.
    pub(super) fn post<P: Protocol>(
        self: &Rc<Self>,
        epoch: u32,
        f: impl FnOnce(&mut P, &Transport) + 'static,
    ) {
        if self.state.get().is_lost() {
            return drop_contained(f);
        }
        self.posts.set(self.posts.get() + 1);
        let conn = Rc::clone(self);
        self.reactor.notify(move |_| {
            conn.posts.set(conn.posts.get() - 1);
            conn.in_span(|| conn.run_post(epoch, f));
            conn.read_again_later();
        });
    }

    fn run_post<P: Protocol>(self: &Rc<Self>, epoch: u32, f: impl FnOnce(&mut P, &Transport)) {
        if self.epoch.get() != epoch || self.state.get().is_lost() {
            return drop_contained(f);
        }
        self.call_protocol("a posted call", |protocol, transport| {
            if let Some(protocol) = protocol.as_any_mut().downcast_mut::<P>() {
                f(protocol, transport);
            }
        });
    }

    /// Has `next` take the slot when the present call returns. Gives the epoch it will have.
    pub(super) fn switch(self: &Rc<Self>, next: Box<dyn AnyProtocol>, unread: &[u8]) -> u32 {
        if self.state.get().is_over() {
            drop_contained(next);
            return u32::MAX; // Never reached: handles of the present protocol stay good.
        }
        let (epoch, replaced) = self.with_extras(|extras| {
            extras.last_epoch += 1;
            let switch = Switch { protocol: next, unread: unread.to_vec(), epoch: extras.last_epoch };
            (extras.last_epoch, extras.next.replace(switch))
        });
        drop_contained(replaced);
        if !self.is_being_called() {
            self.after_present_call(); // The loop is not calling the protocol, so nobody would come by.
        }
        epoch
    }

    /// Whether `after_call` follows anyway. It does not follow a `try_with`.
    #[inline]
    pub(super) fn is_being_called(&self) -> bool {
        self.flush.get() == FlushPlan::AfterCall
    }

    /// Queues `after_call`, with the next data held back until then.
    pub(super) fn after_present_call(self: &Rc<Self>) {
        self.posts.set(self.posts.get() + 1);
        let conn = Rc::clone(self);
        self.reactor.notify(move |_| {
            conn.posts.set(conn.posts.get() - 1);
            conn.in_span(|| conn.after_call());
            conn.read_again_later();
        });
    }

    fn finish_switch(self: &Rc<Self>) {
        let Some(switch) = self.take_extra(|extras| extras.next.take()) else {
            return;
        };
        if self.state.get().is_over() {
            return drop_contained(switch.protocol); // The old one hears of the loss.
        }
        let former = match self.slot.try_borrow_mut() {
            Ok(mut slot) => slot.take(),
            Err(_) => return drop_contained(switch.protocol),
        };
        self.epoch.set(switch.epoch);
        drop_contained(former); // Its destructor finds nobody in the slot.
        *self.slot.borrow_mut() = Some(switch.protocol);
        self.repeat_pressure();
        self.call_protocol("connection_made", |protocol, transport| protocol.connection_made(transport));
        let mut unread = switch.unread;
        unread.extend(self.take_held()); // What new filters made of bytes while the switch was under way came later.
        if !unread.is_empty() {
            self.deliver_or_hold(&unread);
        }
    }

    /// Takes something out of the extras, if there are any: without it, the way of a message may be plain again.
    pub(super) fn take_extra<R>(&self, f: impl FnOnce(&mut Extras) -> Option<R>) -> Option<R> {
        if self.extras.is_none() {
            return None;
        }
        self.with_extras(f)
    }

    /// Lends the extras, made if there are none. No user code may run in `f`.
    pub(super) fn with_extras<R>(&self, f: impl FnOnce(&mut Extras) -> R) -> R {
        let mut extras = self.lift_extras();
        let answer = f(&mut extras);
        self.put_extras(extras);
        answer
    }

    fn lift_extras(&self) -> Box<Extras> {
        self.extras.take().unwrap_or_default()
    }

    fn put_extras(&self, extras: Box<Extras>) {
        self.plain.set(extras.are_plain());
        self.extras.put(extras);
    }
}
