//! JavaScript for Node, and TypeScript, which is the same with types.

use super::{
    Piece, TOLERANCE_S, Variable, camel_case, joined, quoted,
    scheme::{Clock, Encoding, Hash, Key, Place, Run, Scheme},
};

/// How the two differ.
pub(super) struct Script {
    imports: &'static str,
    /// What stands behind a parameter's name, and behind all parameters.
    headers: &'static str,
    buffer: &'static str,
    text: &'static str,
    result: &'static str,
    compared: &'static str,
    /// A header that may be there several times is a list to TypeScript.
    found: &'static str,
}

pub(super) const JAVASCRIPT: Script = Script {
    imports: "",
    headers: "",
    buffer: "",
    text: "",
    result: "",
    compared: "(given, expected)",
    found: "",
};

pub(super) const TYPESCRIPT: Script = Script {
    imports: "import type { IncomingHttpHeaders } from \"node:http\";\n",
    headers: ": IncomingHttpHeaders",
    buffer: ": Buffer",
    text: ": string",
    result: ": boolean",
    compared: "(given: string, expected: string): boolean",
    found: "?.toString()",
};

pub(super) fn write(scheme: &Scheme, script: &Script) -> String {
    let Script {
        imports,
        headers,
        buffer,
        text,
        result,
        compared,
        found,
    } = script;
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, camel_case);
    let create = match scheme.key {
        Key::None => "createHash",
        _ => "createHmac",
    };
    let mut lines = vec![
        format!(
            "// Whether a delivery of the dialect {} is genuine. `headers` are Node's, with names in lower case; `body` is the raw body,",
            scheme.dialect
        ),
        format!(
            "// a Buffer of the bytes as they came: express.raw({{ type: \"application/json\" }}){}.",
            scheme.meanings(|name| format!("`{name}`"))
        ),
        format!("import {{ {create}, timingSafeEqual }} from \"node:crypto\";\n{imports}"),
    ];
    if scheme.time.is_some() {
        lines.push(format!("const TOLERANCE_S = {TOLERANCE_S};\n"));
    }
    lines.push(format!(
        "export function verify(headers{headers}, body{buffer}, secret{text}{}){result} {{",
        scheme.parameters(|name| format!("{name}{text}"))
    ));
    lines.push(format!(
        "  const header = headers[{}]{found} ?? \"\";",
        quoted(&scheme.header)
    ));
    for (variable, place) in &scheme.found {
        let value = match place {
            Place::Header(name) => format!("headers[{}]{found} ?? \"\"", quoted(name)),
            Place::Within { before, after } => {
                let rest = match before.as_str() {
                    "" => "header".to_owned(),
                    before => format!("header.split({})[1]?", quoted(before)),
                };
                match after.as_str() {
                    "" => format!("{} ?? \"\"", rest.trim_end_matches('?')),
                    after => format!("{rest}.split({})[0] ?? \"\"", quoted(after)),
                }
            }
        };
        lines.push(format!("  const {} = {value};", camel_case(*variable)));
        if *variable == Variable::Timestamp
            && let Some(clock) = scheme.time
        {
            let seconds = match clock {
                Clock::Seconds => "Number(timestamp)",
                Clock::Millis => "Number(timestamp) / 1000",
                Clock::Rfc3339 => "Date.parse(timestamp) / 1000",
            };
            lines.push(format!(
                "  if (!(Math.abs(Date.now() / 1000 - {seconds}) <= TOLERANCE_S)) return false;"
            ));
        }
    }
    let key = match scheme.key {
        Key::Text => ", secret",
        Key::None => "",
        Key::StandardWebhooks => {
            lines.push(
                "  const key = Buffer.from(secret.replace(\"whsec_\", \"\"), \"base64\");"
                    .to_owned(),
            );
            ", key"
        }
    };
    let hash = match scheme.hash {
        Hash::Sha256 => "sha256",
        Hash::Sha1 => "sha1",
        Hash::Sha512 => "sha512",
    };
    let updates: String = scheme
        .runs()
        .iter()
        .map(|run| match run {
            Run::Body => ".update(body)".to_owned(),
            Run::Text(pieces) => format!(".update({})", expression(pieces)),
        })
        .collect();
    let digest = format!("{create}(\"{hash}\"{key}){updates}.digest");
    let signature = match scheme.encoding {
        Encoding::Hex => format!("{digest}(\"hex\")"),
        Encoding::UpperHex => format!("{digest}(\"hex\").toUpperCase()"),
        Encoding::Base64 => format!("{digest}(\"base64\")"),
        Encoding::Base64Url => format!("{digest}(\"base64url\")"),
        Encoding::Base64UrlPadded => {
            format!("{digest}(\"base64\").replace(/\\+/g, \"-\").replace(/\\//g, \"_\")")
        }
        Encoding::Base64OfHex => {
            format!("Buffer.from({digest}(\"hex\")).toString(\"base64\")")
        }
    };
    lines.push(format!("  const signature = {signature};"));
    lines.push(format!(
        "  const expected = {};",
        expression(&scheme.expected)
    ));
    lines.push(match scheme.separator {
        None => "  return equal(header, expected);".to_owned(),
        Some(separator) => format!(
            "  return header.split({}).some((given) => equal(given, expected));",
            quoted(&separator.to_string())
        ),
    });
    lines.push(format!(
        "}}

function equal{compared} {{
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}}
"
    ));
    lines.join("\n")
}
