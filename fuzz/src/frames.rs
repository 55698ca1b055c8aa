use arbitrary::Unstructured;
use poetry_transform::{Frame, FrameError, FrameReader};

use crate::{number, pieces};

const LIMIT: usize = 100;

/// Bytes are the same frames, or the same error, in whatever pieces they come; frames are encoded as what they were read from, and read as what
/// was encoded, up to the first that is too long.
///
/// # Panics
///
/// If they are not.
pub fn frames(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let length = bytes.arbitrary_len::<u8>().unwrap_or(0);
    let input = bytes.bytes(length).unwrap_or(&[]);
    let (whole, error) = read([input]);
    assert_eq!(read(pieces(input, &mut bytes)), (whole.clone(), error));
    assert_eq!(read(input.chunks(1)), (whole.clone(), error));
    let encoded: Vec<u8> = whole.iter().flat_map(Frame::encode).collect();
    assert_eq!(read([&*encoded]), (whole.clone(), None));
    // A number may have leading zeros, so that the encoded form is shorter than what was read.
    assert!(encoded.len() <= input.len());
    assert!(whole.iter().all(|frame| frame.payload.len() <= LIMIT && !frame.word.is_empty()));

    let made = made_of(input, &mut bytes);
    let encoded: Vec<u8> = made.iter().flat_map(Frame::encode).collect();
    let fit = made.iter().take_while(|frame| frame.payload.len() <= LIMIT).count();
    let (heard, error) = read(pieces(&encoded, &mut bytes));
    assert_eq!(heard, made[..fit]);
    let too_long = made.get(fit).map(|frame| frame.payload.len() as u64);
    assert_eq!(error, too_long.map(|length| FrameError::TooLong { length, limit: LIMIT }));
}

/// Frames with parts of `input` as their payloads, a few of them too long.
fn made_of(mut input: &[u8], bytes: &mut Unstructured<'_>) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !input.is_empty() {
        let (payload, rest) = input.split_at(input.len().min(number(bytes, LIMIT + LIMIT / 10)));
        frames.push(Frame { word: format!("w{}", frames.len()), payload: payload.to_vec() });
        if payload.is_empty() {
            break;
        }
        input = rest;
    }
    frames
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<FrameError>) {
    let mut reader = FrameReader::with_limit(LIMIT);
    let (mut frames, mut error) = (Vec::new(), None);
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(_)) if error.is_some() => panic!("a frame after an error"),
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(why) => {
                    assert!(error.replace(why).is_none_or(|before| before == why), "another error");
                    break;
                }
            }
        }
    }
    (frames, error)
}
