//! Header names, their values' templates, signatures.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue};
use toml::Spanned;

use crate::{
    fault::Fault,
    file::{DialectFile, SignatureFile},
    headers::{Headers, STANDARD_WEBHOOKS},
    reserved::is_reserved,
    signature::Signature,
    template::{Template, Variable},
};

const DEFAULT_USER_AGENT: &str = concat!("Rung/", env!("CARGO_PKG_VERSION"));

pub(super) fn compile(file: &DialectFile) -> Result<Headers, Fault> {
    let user_agent = match &file.user_agent {
        None => HeaderValue::from_static(DEFAULT_USER_AGENT),
        Some(written) => HeaderValue::from_str(written.get_ref()).map_err(|_| {
            Fault::new(written, "a header value must be printable ASCII characters")
        })?,
    };
    let mut taken = HashSet::new();
    let own = file
        .headers
        .iter()
        .map(|(name, value)| {
            const KNOWN: &[Variable] = &[
                Variable::Id,
                Variable::EventType,
                Variable::DeliveryId,
                Variable::Timestamp,
            ];
            Ok((
                header_name(name, file, &mut taken)?,
                header_template(value, KNOWN)?,
            ))
        })
        .collect::<Result<_, Fault>>()?;
    let signatures = file
        .signatures
        .iter()
        .map(|written| signature(written, header_name(&written.header, file, &mut taken)?))
        .collect::<Result<_, Fault>>()?;
    Ok(Headers {
        user_agent,
        own,
        signatures,
        spelled: spelled(file),
        standard_webhooks: file.standard_webhooks,
    })
}

/// The names of its own headers and of its signatures, as the file spells them.
fn spelled(file: &DialectFile) -> Vec<String> {
    let own = file.headers.keys();
    let signatures = file.signatures.iter().map(|signature| &signature.header);
    own.chain(signatures)
        .map(|name| name.get_ref().clone())
        .collect()
}

fn header_name(
    written: &Spanned<String>,
    file: &DialectFile,
    taken: &mut HashSet<HeaderName>,
) -> Result<HeaderName, Fault> {
    let name = HeaderName::try_from(written.get_ref())
        .map_err(|_| Fault::new(written, format!("`{written}` is not a valid header name")))?;
    let standard = file.standard_webhooks && STANDARD_WEBHOOKS.contains(&name);
    if standard || is_reserved(&name) {
        let reason = format!("the header `{name}` is set by Rung itself");
        return Err(Fault::new(written, reason));
    }
    if !taken.insert(name.clone()) {
        return Err(Fault::new(
            written,
            format!("the header `{name}` is defined twice"),
        ));
    }
    Ok(name)
}

fn header_template(
    written: &Spanned<String>,
    known: &'static [Variable],
) -> Result<Template, Fault> {
    if HeaderValue::from_str(written.get_ref()).is_err() {
        return Err(Fault::new(
            written,
            "a header value must be printable ASCII characters",
        ));
    }
    template(written, known)
}

fn template(written: &Spanned<String>, known: &'static [Variable]) -> Result<Template, Fault> {
    Template::parse(written.get_ref(), known).map_err(|fault| Fault::new(written, fault))
}

fn signature(file: &SignatureFile, header: HeaderName) -> Result<Signature, Fault> {
    const SIGNED: &[Variable] = &[
        Variable::Body,
        Variable::Timestamp,
        Variable::Id,
        Variable::EventType,
        Variable::DeliveryId,
    ];
    const VALUE: &[Variable] = &[Variable::Signature, Variable::Timestamp, Variable::Id];
    let signed = template(&file.signed, SIGNED)?;
    if !signed.mentions(Variable::Body) {
        return Err(Fault::new(
            &file.signed,
            "the signed text must contain `{body}`",
        ));
    }
    let value_of = |written: &Spanned<String>| {
        let value = header_template(written, VALUE)?;
        if !value.mentions(Variable::Signature) {
            return Err(Fault::new(written, "the value must contain `{signature}`"));
        }
        Ok(value)
    };
    Ok(Signature {
        algorithm: file.algorithm,
        encoding: file.encoding,
        signed,
        header,
        value: value_of(&file.value)?,
        overlap: file.overlap.as_ref().map(value_of).transpose()?,
    })
}
