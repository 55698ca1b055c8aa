use std::cell::Cell;

/// A box that may be there, in one word: what is in it is taken out while it is looked at, and put back, so that nothing is ever borrowed.
///
/// Nobody must look at it from inside of such a look: it would seem to be empty. So no code of the user's runs there, nor any that leads
/// to it.
pub(super) struct BoxCell<T>(Cell<Option<Box<T>>>);

impl<T> BoxCell<T> {
    pub(super) const fn empty() -> Self {
        Self(Cell::new(None))
    }

    #[inline]
    pub(super) fn is_some(&self) -> bool {
        let content = self.0.take();
        let is_some = content.is_some();
        self.0.set(content);
        is_some
    }

    #[inline]
    pub(super) fn is_none(&self) -> bool {
        !self.is_some()
    }

    /// Shows what is there to `f`; `None` if nothing is.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.is_none() {
            return None; // Nothing is written, in the most frequent case.
        }
        let mut content = self.0.take()?;
        let answer = f(&mut content);
        self.put(content);
        Some(answer)
    }

    /// Whether something is there that `f` says yes to.
    #[inline]
    pub(super) fn is_some_and(&self, f: impl FnOnce(&T) -> bool) -> bool {
        self.with(|content| f(content)).unwrap_or(false)
    }

    #[inline]
    pub(super) fn take(&self) -> Option<Box<T>> {
        self.0.take()
    }

    /// Fills an empty cell.
    #[inline]
    pub(super) fn put(&self, content: Box<T>) {
        let nothing = self.0.replace(Some(content));
        debug_assert!(nothing.is_none(), "somebody filled the cell while its content was looked at");
    }

    /// Puts `content` in the place of what is there, and hands that out.
    pub(super) fn replace(&self, content: T) -> Option<Box<T>> {
        self.0.replace(Some(Box::new(content)))
    }
}

#[cfg(test)]
mod tests {
    use super::BoxCell;

    #[test]
    fn what_is_looked_at_stays() {
        let cell = BoxCell::empty();
        assert!(cell.is_none());
        assert_eq!(cell.with(|text: &mut String| text.len()), None);
        cell.put(Box::new("one".to_owned()));
        assert_eq!(cell.with(|text| text.push('!')), Some(()));
        assert!(cell.is_some());
        assert_eq!(cell.replace("two".to_owned()).as_deref().map(String::as_str), Some("one!"));
        assert_eq!(cell.take().as_deref().map(String::as_str), Some("two"));
        assert!(cell.is_none());
    }

    #[test]
    fn it_is_one_word() {
        assert_eq!(size_of::<BoxCell<[u64; 9]>>(), size_of::<usize>());
    }
}
