//! Who is here: the state that all protocols share.

use std::collections::BTreeMap;

use twistor::net::Bytes;
use twistor::prelude::*;

use crate::Chat;

/// The most characters a name has.
pub(crate) const MAX_NAME: usize = 20;

/// Who is here, by name.
#[derive(Default)]
pub(crate) struct Room {
    members: BTreeMap<String, Connection<Chat>>,
}

impl Room {
    /// Takes somebody in; says whether the name was free.
    pub(crate) fn enter(&mut self, name: &str, connection: Connection<Chat>) -> bool {
        if self.members.contains_key(name) {
            return false;
        }
        self.members.insert(name.to_owned(), connection);
        true
    }

    pub(crate) fn leave(&mut self, name: &str) {
        self.members.remove(name);
    }

    pub(crate) fn find(&self, name: &str) -> Option<Connection<Chat>> {
        self.members.get(name).cloned()
    }

    /// The names, in alphabetical order.
    pub(crate) fn names(&self) -> String {
        self.members.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Sends a line to everybody. No protocol is called by it, so it does not matter who has borrowed what.
    pub(crate) fn say_to_all(&self, line: &str) {
        let line = Bytes::from(format!("{line}\r\n"));
        for connection in self.members.values() {
            connection.transport().write_bytes(line.clone());
        }
    }
}

/// Whether somebody may be called so.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = (1..=MAX_NAME).contains(&text.chars().count());
    fits && text.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_words() {
        for name in ["ann", "Bob-2", "x_y", "Zo\u{eb}", "abcdefghijklmnopqrst"] {
            assert!(is_name(name), "{name:?}");
        }
        for name in ["", " ", "a b", "/who", "<ann>", "abcdefghijklmnopqrstu"] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
