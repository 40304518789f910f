//! Reading a response's body up to a limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::client::Limits;
use crate::error::Error;

/// The body up to the limit, and whether there was more. When there was, the connection ends with it: the rest is not
/// worth reading.
pub(crate) async fn read(mut body: Incoming, limits: Limits) -> Result<(Bytes, bool), Error> {
    if limits.strict && body.size_hint().lower() > limits.read as u64 {
        return Err(Error::TooLarge);
    }
    let mut kept = Kept::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::Broken { sent: true })?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        let room = limits.read - kept.len();
        if data.len() > room {
            data.truncate(room);
            kept.push(data);
            return if limits.strict { Err(Error::TooLarge) } else { Ok((kept.into_bytes(), true)) };
        }
        kept.push(data);
    }
    Ok((kept.into_bytes(), false))
}

/// Most answers come in one piece, which is kept as it is. More pieces are copied together, each byte once, so that a
/// peer who sends them one by one costs no more than their number.
#[derive(Default)]
struct Kept {
    first: Bytes,
    joined: BytesMut,
}

impl Kept {
    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&data);
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}
