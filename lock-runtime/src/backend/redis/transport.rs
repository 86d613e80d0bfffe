//! A socket with or without TLS, as a pair of byte streams that never block.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use crate::backend::socket::Stream;

/// How much is read before it is processed: hundreds of replies.
const CHUNK: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Transport {
    stream: Arc<Stream>,
    /// What is read lands here first. It is kept because clearing it takes longer than a read.
    chunk: Box<[u8]>,
    #[cfg(feature = "tls-rustls")]
    tls: Option<Box<rustls::ClientConnection>>,
}

impl Transport {
    pub(crate) fn plain(stream: Stream) -> Self {
        Self {
            stream: Arc::new(stream),
            chunk: vec![0; CHUNK].into(),
            #[cfg(feature = "tls-rustls")]
            tls: None,
        }
    }

    #[cfg(feature = "tls-rustls")]
    pub(crate) fn with_tls(stream: Stream, tls: rustls::ClientConnection) -> Self {
        Self { tls: Some(Box::new(tls)), ..Self::plain(stream) }
    }

    pub(crate) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Whether the TLS handshake is under way.
    #[cfg_attr(not(feature = "tls-rustls"), expect(clippy::unused_self, reason = "for TLS"))]
    pub(crate) fn is_handshaking(&self) -> bool {
        #[cfg(feature = "tls-rustls")]
        if let Some(tls) = &self.tls {
            return tls.is_handshaking();
        }
        false
    }

    /// Writes as many of `bytes` as the socket takes; returns how many that are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls-rustls")]
        if let Some(tls) = &mut self.tls {
            // It takes all of them, up to a limit, and keeps what the socket does not take.
            let taken = tls.writer().write(bytes)?;
            while tls.wants_write() {
                if not_now(tls.write_tls(&mut &*self.stream))?.is_none() {
                    break;
                }
            }
            return Ok(taken);
        }
        let mut written = 0;
        while written < bytes.len() {
            match not_now((&*self.stream).write(&bytes[written..]))? {
                Some(0) => return Err(ErrorKind::WriteZero.into()),
                Some(more) => written += more,
                None => break,
            }
        }
        Ok(written)
    }

    /// Whether bytes that were taken by [`Self::write`] wait for the socket.
    #[cfg_attr(not(feature = "tls-rustls"), expect(clippy::unused_self, reason = "for TLS"))]
    pub(crate) fn wants_write(&self) -> bool {
        #[cfg(feature = "tls-rustls")]
        if let Some(tls) = &self.tls {
            return tls.wants_write();
        }
        false
    }

    /// Passes on what has arrived, up to about [`CHUNK`]. Returns whether more may be left. An
    /// error if the other side has closed the connection.
    pub(crate) fn read(&mut self, mut sink: impl FnMut(&[u8])) -> io::Result<bool> {
        let Self { stream, chunk, .. } = self;
        #[cfg(feature = "tls-rustls")]
        if let Some(tls) = &mut self.tls {
            let mut total = 0;
            while total < CHUNK {
                let read = not_now(tls.read_tls(&mut &**stream))?;
                let error = |error| io::Error::new(ErrorKind::InvalidData, error);
                let state = tls.process_new_packets().map_err(error);
                if state.is_err() && tls.wants_write() {
                    // The alert that tells the other side why.
                    let _ = tls.write_tls(&mut &**stream);
                }
                let mut left = state?.plaintext_bytes_to_read();
                while left > 0 {
                    let read = tls.reader().read(chunk)?;
                    sink(&chunk[..read]);
                    left = left.saturating_sub(read.max(1));
                }
                match read {
                    None => return Ok(false),
                    Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Some(read) => total += read,
                }
            }
            return Ok(true);
        }
        match not_now((&**stream).read(chunk))? {
            None => Ok(false),
            Some(0) => Err(ErrorKind::UnexpectedEof.into()),
            Some(read) => {
                sink(&chunk[..read]);
                // After a short read the socket is empty, as far as one can tell without another
                // system call.
                Ok(read == CHUNK)
            }
        }
    }
}

/// `None` if the socket would block.
fn not_now(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}
