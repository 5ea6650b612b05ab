//! Compression of what is large and seldom read: delivered bodies and the exchanges of the log.
//!
//! A format byte comes first. `1`: a zstd frame with [`DICTIONARY`] as its raw content dictionary, which makes the header
//! names and JSON keys that every entry has nearly free; whoever changes the dictionary adds a format.

use std::{cell::RefCell, io};

use zstd::bulk::{Compressor, Decompressor};

const FORMAT: u8 = 1;
const LEVEL: i32 = 1;

/// Texts that most entries contain, the most frequent last.
const DICTIONARY: &[u8] = br#"x-content-type-optionsnosniffstrict-transport-securitymax-age=31536000x-powered-byExpressetagW/"vary
cache-controlno-cachecf-rayserverservernginxcloudflare"text/html; charset=utf-8"],["text/plain; charset=utf-8"connection","keep-alive"],["keep-alive","timeout=5"
Internal Server ErrorService UnavailableNot FoundBad GatewayOK{"ok":true}{"received":true}{"success":true,"data":{"metadata":{"api_version":"v1","request_id":"req_
{"type":"timestamp":"2026-01-01T00:00:00.000Z","created_at":"2026-01-01T00:00:00Z","data":{"id":"evt_"user_id":"name":"email":"status":"currency":"amount":
"response_headers":[["content-type","text/plain; charset=utf-8"],["content-length","2"],["date","Mon, 01 Jan 2026 00:00:00 GMT"]],"response_body":"OK"}
{"url":"https://example.com/webhooks/","request_headers":[["content-type","application/json"],["user-agent","Rung/0.1.0"],["x-webhook-signature","
],["webhook-id","evt_"],["webhook-timestamp","17"],["webhook-signature","v1,"#;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses `plain`.
pub(super) fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(Compressor::with_dictionary(LEVEL, DICTIONARY)?),
        };
        let mut frame = Vec::with_capacity(1 + zstd::zstd_safe::compress_bound(plain.len()));
        frame.push(FORMAT);
        frame.extend_from_slice(&compressor.compress(plain)?);
        Ok(frame)
    })
}

/// Undoes [`compress`]; an error when the result would exceed `limit` bytes or the frame is not one of ours.
pub(super) fn expand(frame: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let Some((&FORMAT, frame)) = frame.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "unknown format"));
    };
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::with_dictionary(DICTIONARY)?),
        };
        // A frame says how long its content is; that much is set aside, not the limit.
        let length = zstd::zstd_safe::get_frame_content_size(frame)
            .ok()
            .flatten();
        let capacity = length
            .and_then(|length| usize::try_from(length).ok())
            .map_or(limit, |length| length.min(limit));
        decompressor.decompress(frame, capacity)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back_and_bounds_hold() {
        for plain in [&b""[..], b"{}", &b"abc".repeat(50_000)] {
            let frame = compress(plain).unwrap();
            assert_eq!(expand(&frame, 150_000).unwrap(), plain);
        }
        let frame = compress(&[7; 1000]).unwrap();
        assert!(expand(&frame, 999).is_err());
        assert!(expand(&frame[1..], 1000).is_err());
        assert!(expand(b"", 1000).is_err());
    }
}
