//! What can be done to a poem. Nothing here knows of a network.

use std::str::FromStr;

use thiserror::Error;

/// Bytes that cannot be changed, since they are no text. They are here, for whoever wants them as they are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("it is no text, from byte {at} on")]
pub struct NotText {
    /// The poem.
    pub poem: Vec<u8>,
    /// How many of its bytes are text (UTF-8).
    pub at: usize,
}

/// The name of a change that nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no transform is called {0:?}: there are cummings, shout and backwards")]
pub struct UnknownTransform(pub String);

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// In small letters, as E. E. Cummings is said to have had it.
    Cummings,
    /// IN CAPITAL LETTERS.
    Shout,
    /// The last line first.
    Backwards,
}

impl Transform {
    /// Changes `poem`.
    ///
    /// # Errors
    ///
    /// [`NotText`], with the poem in it, if it is not UTF-8.
    pub fn apply(self, poem: Vec<u8>) -> Result<Vec<u8>, NotText> {
        let text = String::from_utf8(poem).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            NotText { poem: error.into_bytes(), at }
        })?;
        Ok(match self {
            Self::Cummings => text.to_lowercase(),
            Self::Shout => text.to_uppercase(),
            Self::Backwards => text.split_inclusive('\n').rev().collect(),
        }
        .into_bytes())
    }
}

impl FromStr for Transform {
    type Err = UnknownTransform;

    fn from_str(name: &str) -> Result<Self, UnknownTransform> {
        match name {
            "cummings" => Ok(Self::Cummings),
            "shout" => Ok(Self::Shout),
            "backwards" => Ok(Self::Backwards),
            unknown => Err(UnknownTransform(unknown.to_owned())),
        }
    }
}

/// The poem in small letters.
///
/// # Errors
///
/// [`NotText`], with the poem in it, if it is not UTF-8.
pub fn cummingsify(poem: Vec<u8>) -> Result<Vec<u8>, NotText> {
    Transform::Cummings.apply(poem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_changed() {
        for (name, changed) in [("cummings", "ob\nör\n"), ("shout", "OB\nÖR\n"), ("backwards", "Ör\nOb\n")]
        {
            let transform: Transform = name.parse().unwrap();
            assert_eq!(transform.apply("Ob\nÖr\n".into()).unwrap(), changed.as_bytes());
            assert_eq!(transform.apply(Vec::new()), Ok(Vec::new()));
        }
        assert_eq!("Shout".parse::<Transform>(), Err(UnknownTransform("Shout".to_owned())));
    }

    #[test]
    fn what_is_no_text_comes_back() {
        let error = cummingsify(b"Ab\xffcd".to_vec()).unwrap_err();
        assert_eq!(error, NotText { poem: b"Ab\xffcd".to_vec(), at: 2 });
        assert_eq!(error.to_string(), "it is no text, from byte 2 on");
    }
}
