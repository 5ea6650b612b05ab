//! What the log shows of a response: its headers, and the beginning of its body's text.
//!
//! Headers that are too long together lose the ends of the longest. A body that is packed is unpacked, though nobody asked for it so: as far as it is shown, so a small body that unpacks to a huge one
//! costs no more than another. Its charset is the one that it names, else UTF-8.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use encoding_rs::{Encoding, UTF_8};
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderName, header};

use crate::{
    egress::{Answer, MAX_BODY_BYTES},
    limits::{LOGGED_BODY_BYTES, LOGGED_CODINGS, LOGGED_HEADER_BYTES, LOGGED_HEADERS_BYTES},
};

/// What stands at the end of a value that is cut.
const CUT: char = '…';

/// The headers of an answer, at most [`LOGGED_HEADERS_BYTES`] in all. If they are longer, the longest values are cut, but none to
/// less than [`LOGGED_HEADER_BYTES`]; what does not fit even then is left out.
pub(super) fn headers(mut received: Vec<(String, String)>) -> Vec<(String, String)> {
    let most = longest_value(&received);
    let mut left = LOGGED_HEADERS_BYTES;
    received.retain_mut(|(name, value)| {
        if value.len() > most {
            value.truncate(value.floor_char_boundary(most - CUT.len_utf8()));
            value.push(CUT);
        }
        let rest = left.checked_sub(name.len() + value.len());
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    received
}

/// The most bytes that a value may have for all to fit: each may have an equal share of what the shorter ones leave.
fn longest_value(received: &[(String, String)]) -> usize {
    let names: usize = received.iter().map(|(name, _)| name.len()).sum();
    let mut left = LOGGED_HEADERS_BYTES.saturating_sub(names);
    let mut bytes: Vec<usize> = received.iter().map(|(_, value)| value.len()).collect();
    bytes.sort_unstable();
    for (place, bytes_of_one) in bytes.iter().enumerate() {
        let share = left / (bytes.len() - place);
        if *bytes_of_one > share {
            return share.max(LOGGED_HEADER_BYTES);
        }
        left -= bytes_of_one;
    }
    usize::MAX
}

/// The beginning of the text of an answer's body, at most [`LOGGED_BODY_BYTES`], and whether that is all of it. A character that is cut
/// in two is left out.
pub(super) fn body(answer: &Answer) -> (String, bool) {
    let (bytes, is_whole) = unpacked(answer);
    let mut decoder = charset(&answer.headers).new_decoder();
    let mut text = String::with_capacity(
        decoder
            .max_utf8_buffer_length(bytes.len())
            .unwrap_or_default(),
    );
    let _ = decoder.decode_to_string(&bytes, &mut text, is_whole);
    let end = text.floor_char_boundary(LOGGED_BODY_BYTES);
    let is_whole = is_whole && end == text.len();
    text.truncate(end);
    (text, is_whole)
}

/// The beginning of the body, unpacked if it says how, and whether that is all of it. What cannot be unpacked stays as it is.
fn unpacked(answer: &Answer) -> (Cow<'_, [u8]>, bool) {
    let packed = &*answer.body;
    match unpacked_all(&codings(&answer.headers), packed) {
        Some((bytes, is_whole)) => (bytes.into(), is_whole),
        None => {
            let shown = &packed[..packed.len().min(LOGGED_BODY_BYTES)];
            let is_whole = answer.body_complete && shown.len() == packed.len();
            (shown.into(), is_whole)
        }
    }
}

/// How the body is packed, in the order in which that was done.
fn codings(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONTENT_ENCODING).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let codings = values.flat_map(|value| value.split(','));
    let codings = codings.map(|coding| coding.trim().to_ascii_lowercase());
    let is_packing = |coding: &String| !matches!(&**coding, "" | "identity");
    codings.filter(is_packing).collect()
}

/// The body out of all that it is packed in, the last first; `None` if it is packed in nothing, or cannot be unpacked.
fn unpacked_all(codings: &[String], packed: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (first, others) = codings.split_first()?;
    if codings.len() > LOGGED_CODINGS {
        return None;
    }
    let (mut packed, mut is_whole) = (Cow::Borrowed(packed), true);
    for coding in others.iter().rev() {
        let (bytes, is_all) = unpacked_once(coding, &packed, MAX_BODY_BYTES)?;
        (packed, is_whole) = (Cow::Owned(bytes), is_whole && is_all);
    }
    let (bytes, is_all) = unpacked_once(first, &packed, LOGGED_BODY_BYTES)?;
    Some((bytes, is_whole && is_all))
}

/// The beginning of what is packed so, of at most `most` bytes, and whether that is all of it; `None` if it is not packed so.
fn unpacked_once(coding: &str, packed: &[u8], most: usize) -> Option<(Vec<u8>, bool)> {
    let unpacked = match coding {
        "gzip" | "x-gzip" => beginning(GzDecoder::new(packed), most),
        // By the standard it has a head; some leave it out.
        "deflate" => match beginning(ZlibDecoder::new(packed), most) {
            (bytes, false) if bytes.is_empty() => beginning(DeflateDecoder::new(packed), most),
            zlib => zlib,
        },
        "br" => beginning_of_brotli(packed, most),
        "zstd" => beginning_of_zstd(packed, most).ok()?,
        _ => return None,
    };
    match unpacked {
        (bytes, false) if bytes.is_empty() => None,
        unpacked => Some(unpacked),
    }
}

/// What can be read up to the bound, and whether that is all.
fn beginning(mut from: impl Read, most: usize) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let read = from.by_ref().take(most as u64).read_to_end(&mut bytes);
    let is_whole = read.is_ok() && from.read(&mut [0]).is_ok_and(|more| more == 0);
    (bytes, is_whole)
}

/// The same of Brotli (RFC 7932). Its window is at most the 16 MiB of the standard, whatever the body asks for.
fn beginning_of_brotli(packed: &[u8], most: usize) -> (Vec<u8>, bool) {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let mut bytes = vec![0; most];
    let (mut left, mut read) = (packed.len(), 0);
    let (mut room, mut written, mut total) = (bytes.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut left,
        &mut read,
        packed,
        &mut room,
        &mut written,
        &mut bytes,
        &mut total,
        &mut state,
    );
    bytes.truncate(written);
    (bytes, matches!(result, BrotliResult::ResultSuccess))
}

/// The same of Zstandard, with the largest window that a response may ask for (RFC 9659): 8 MiB.
fn beginning_of_zstd(packed: &[u8], most: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut decoder = zstd::Decoder::with_buffer(packed)?;
    decoder.window_log_max(23)?;
    Ok(beginning(decoder, most))
}

/// The charset that the content's type names.
fn charset(headers: &HeaderMap) -> &'static Encoding {
    let content_type = text(headers, header::CONTENT_TYPE);
    let parameters = content_type.split(';').skip(1);
    let mut charsets = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| Encoding::for_label(value.trim().trim_matches('"').as_bytes()))?
    });
    charsets.next().unwrap_or(UTF_8)
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;
    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use http::StatusCode;

    use super::*;

    fn body(answer: &Answer) -> String {
        super::body(answer).0
    }

    fn answer(headers: &[(HeaderName, &str)], body: &[u8]) -> Answer {
        let headers = headers.iter().cloned();
        Answer {
            status: StatusCode::OK,
            headers: headers
                .map(|(name, value)| (name, value.parse().unwrap()))
                .collect(),
            body: Bytes::copy_from_slice(body),
            body_complete: true,
        }
    }

    fn packed(coding: &str, body: &[u8]) -> Answer {
        let level = Compression::best();
        let packed = match coding {
            "deflate" => {
                let mut packer = ZlibEncoder::new(Vec::new(), level);
                packer.write_all(body).unwrap();
                packer.finish().unwrap()
            }
            "zstd" => {
                let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
                packer.write_all(body).unwrap();
                packer.finish().unwrap()
            }
            "raw" => {
                let mut packer = DeflateEncoder::new(Vec::new(), level);
                packer.write_all(body).unwrap();
                packer.finish().unwrap()
            }
            _ => {
                let mut packer = GzEncoder::new(Vec::new(), level);
                packer.write_all(body).unwrap();
                packer.finish().unwrap()
            }
        };
        let coding = if coding == "raw" { "deflate" } else { coding };
        answer(&[(header::CONTENT_ENCODING, coding)], &packed)
    }

    #[test]
    fn a_packed_body_is_shown_unpacked_and_bounded() {
        let text: String = (0..400).map(|n| format!("Ünïcode {n} ")).collect();
        let text = &text[..text.floor_char_boundary(LOGGED_BODY_BYTES / 2)];
        let zeros = vec![0; 32 << 20];
        for coding in ["gzip", "x-gzip", "GZIP", "deflate", "raw", "zstd"] {
            assert_eq!(body(&packed(coding, text.as_bytes())), text, "{coding}");
            assert_eq!(body(&packed(coding, &zeros)).len(), LOGGED_BODY_BYTES);
            // Of Zstandard, nothing of a block can be read before its end.
            if coding != "zstd" {
                let mut cut = packed(coding, text.as_bytes());
                cut.body.truncate(cut.body.len() - 10);
                assert!(text.starts_with(&body(&cut)), "{coding}");
            }
        }
        // What is not packed as it says, or in a way that is not known.
        for coding in [
            "gzip",
            "deflate",
            "br",
            "zstd",
            "gzip, gzip",
            "gzip, none-such",
            "identity",
            "",
        ] {
            let shown = body(&answer(&[(header::CONTENT_ENCODING, coding)], b"plain"));
            assert_eq!(shown, "plain", "{coding}");
        }
    }

    #[test]
    fn a_body_that_is_packed_several_times_is_shown_up_to_a_bound() {
        let text = "Zoë ".repeat(100);
        let layers = |codings: &[&str]| {
            let mut body = text.clone().into_bytes();
            for coding in codings {
                body = packed(coding, &body).body.to_vec();
            }
            body
        };
        for (codings, written) in [
            (&["gzip", "gzip"][..], "gzip, gzip"),
            (&["deflate", "zstd", "gzip"], "deflate ,ZSTD, identity,gzip"),
        ] {
            let answer = answer(&[(header::CONTENT_ENCODING, written)], &layers(codings));
            assert_eq!(body(&answer), text, "{written}");
        }
        let two = [
            (header::CONTENT_ENCODING, "deflate"),
            (header::CONTENT_ENCODING, "gzip"),
        ];
        assert_eq!(body(&answer(&two, &layers(&["deflate", "gzip"]))), text);
        let four = answer(
            &[(header::CONTENT_ENCODING, "gzip, gzip, gzip, gzip")],
            &layers(&["gzip"; 4]),
        );
        assert_eq!(
            body(&four),
            String::from_utf8_lossy(&four.body),
            "stays as it is"
        );
        // A small body that unpacks to a huge one costs no more at any layer.
        let zeros = packed("gzip", &packed("gzip", &vec![0; 32 << 20]).body);
        let zeros = answer(&[(header::CONTENT_ENCODING, "gzip, gzip")], &zeros.body);
        assert_eq!(body(&zeros), "\0".repeat(LOGGED_BODY_BYTES));
    }

    #[test]
    fn the_longest_headers_are_cut_where_all_are_too_long() {
        let of = |name: &str, value: String| (name.to_owned(), value);
        let short = of("x-other", "y".to_owned());
        let fits = vec![of("x-big", "a".repeat(8_000)), short.clone()];
        assert_eq!(headers(fits.clone()), fits);
        // One that is longer than all may be together, before and after the others.
        for bytes in [LOGGED_HEADERS_BYTES, 20_000] {
            for place in [0, 1] {
                let mut received = vec![short.clone()];
                received.insert(place, of("x-big", "é".repeat(bytes / 2)));
                let shown = headers(received);
                assert_eq!(shown[1 - place], short);
                let (name, value) = &shown[place];
                assert!(name == "x-big" && value.starts_with('é') && value.ends_with("é…"));
                let all: usize = shown
                    .iter()
                    .map(|(name, value)| name.len() + value.len())
                    .sum();
                assert!(
                    (LOGGED_HEADERS_BYTES - 3..=LOGGED_HEADERS_BYTES).contains(&all),
                    "{all}"
                );
            }
        }
        // So many that not even their beginnings fit.
        let many: Vec<_> = (0..100)
            .map(|n| of(&format!("x-{n:02}"), "b".repeat(1_000)))
            .collect();
        let shown = headers(many);
        assert_eq!(
            shown.len(),
            LOGGED_HEADERS_BYTES / (4 + LOGGED_HEADER_BYTES)
        );
        assert!(
            shown
                .iter()
                .all(|(_, value)| value.len() == LOGGED_HEADER_BYTES)
        );
    }

    /// As Node's zlib packs them, for there is no packer here: a text, and 32 MiB of zeros.
    const BROTLI_TEXT: &str = "1b2705f82d0ee2b153438c6ef9770f22aa6ec86ded424437accb3e6dc59720ab4e8ef4c0dfe9768a242e692b41d2e4c2c380e1c118f53bdac8f4fb99e802";
    const BROTLI_ZEROS: &str = "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe09f0088c30200ddfbbffcffffc33f0110870500baf77f";
    /// The text with a window of 1 GiB.
    const BROTLI_LARGE_WINDOW: &str = "115e9c14e0b73888c74e0d31bae5df3d88a8ba21b7b50b11ddb02efbb4155f82ac3a39d2037fa7db2992b8a4ad0449930b0f03060fc6a8dfd146a6dfcf4417";

    #[test]
    fn brotli_is_unpacked_within_the_same_bound() {
        let packed = |hex: &str| {
            let coding = [(header::CONTENT_ENCODING, "br")];
            answer(&coding, &hex::decode(hex).unwrap())
        };
        let text = "Die Größe der Antwort: 42 €. ".repeat(40);
        assert_eq!(body(&packed(BROTLI_TEXT)), text);
        let mut cut = packed(BROTLI_TEXT);
        cut.body.truncate(cut.body.len() - 3);
        let shown = body(&cut);
        assert!(text.starts_with(&shown) && !shown.is_empty(), "{shown}");
        let zeros = "\0".repeat(LOGGED_BODY_BYTES);
        assert_eq!(body(&packed(BROTLI_ZEROS)), zeros);
        // A window of up to 1 GiB is no part of the standard, and is not made room for.
        assert_ne!(body(&packed(BROTLI_LARGE_WINDOW)), text);
    }

    #[test]
    fn zstandard_with_too_large_a_window_stays_as_it_is() {
        for (window_log, is_shown) in [(23, true), (24, false)] {
            let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
            packer.window_log(window_log).unwrap();
            packer.write_all(&[b'a'; 17 << 20]).unwrap();
            let packed = packer.finish().unwrap();
            let shown = body(&answer(&[(header::CONTENT_ENCODING, "zstd")], &packed));
            assert_eq!(shown.starts_with("aaa"), is_shown, "{window_log}");
        }
    }

    #[test]
    fn a_body_is_read_in_its_charset() {
        for (content_type, bytes) in [
            ("text/plain; charset=iso-8859-1", &b"caf\xe9"[..]),
            ("text/html;x=y; Charset=\"windows-1252\"", b"caf\xe9"),
            ("text/plain; charset=utf-16le", b"c\0a\0f\0\xe9\0"),
            ("text/plain; charset=none-such", "café".as_bytes()),
            ("text/plain", "café".as_bytes()),
        ] {
            let answer = answer(&[(header::CONTENT_TYPE, content_type)], bytes);
            assert_eq!(body(&answer), "café", "{content_type}");
        }
    }

    #[test]
    fn a_body_says_whether_it_is_whole() {
        let most = "x".repeat(LOGGED_BODY_BYTES);
        for (text, is_whole) in [(most.clone(), true), (most + "x", false)] {
            for answer in [
                answer(&[], text.as_bytes()),
                packed("gzip", text.as_bytes()),
            ] {
                assert_eq!(super::body(&answer).1, is_whole);
            }
        }
        let mut broken_off = answer(&[], b"x");
        broken_off.body_complete = false;
        assert!(!super::body(&broken_off).1);
    }

    #[test]
    fn a_character_that_is_cut_in_two_is_left_out() {
        for padding in 0..4 {
            let text = "x".repeat(padding) + &"🦀".repeat(LOGGED_BODY_BYTES);
            let shown = body(&answer(&[], text.as_bytes()));
            assert!(text.starts_with(&shown), "{padding}");
            assert!((LOGGED_BODY_BYTES - 3..=LOGGED_BODY_BYTES).contains(&shown.len()));
        }
        let mut broken_off = answer(&[], &"🦀".as_bytes()[..3]);
        assert_eq!(body(&broken_off), "\u{fffd}", "that is how it was sent");
        broken_off.body_complete = false;
        assert_eq!(body(&broken_off), "");
        // Latin-1 takes more room as UTF-8.
        let latin = answer(
            &[(header::CONTENT_TYPE, "text/plain; charset=latin1")],
            &[0xe9; LOGGED_BODY_BYTES],
        );
        assert_eq!(body(&latin), "é".repeat(LOGGED_BODY_BYTES / 2));
    }
}
