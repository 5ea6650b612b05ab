//! JavaScript for Node, and TypeScript, which is the same with types.

use super::{
    Piece, TOLERANCE_S, Variable, camel_case, joined, quoted,
    scheme::{Algorithm, Encoding, Key, Place, Run, Scheme},
};

/// How the two differ.
pub(super) struct Script {
    imports: &'static str,
    parameters: &'static str,
    compared: &'static str,
    /// A header that may be there several times is a list to TypeScript.
    found: &'static str,
}

pub(super) const JAVASCRIPT: Script = Script {
    imports: "",
    parameters: "(headers, body, secret)",
    compared: "(given, expected)",
    found: "",
};

pub(super) const TYPESCRIPT: Script = Script {
    imports: "import type { IncomingHttpHeaders } from \"node:http\";\n",
    parameters: "(headers: IncomingHttpHeaders, body: Buffer, secret: string): boolean",
    compared: "(given: string, expected: string): boolean",
    found: "?.toString()",
};

pub(super) fn write(scheme: &Scheme, script: &Script) -> String {
    let Script {
        imports,
        parameters,
        compared,
        found,
    } = script;
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, camel_case);
    let mut lines = vec![
        format!(
            "// Whether a delivery of the dialect {} is genuine. `headers` are Node's, with names in lower case; `body` is the raw body,",
            scheme.dialect
        ),
        "// a Buffer of the bytes as they came: express.raw({ type: \"application/json\" })."
            .to_owned(),
        format!("import {{ createHmac, timingSafeEqual }} from \"node:crypto\";\n{imports}"),
    ];
    if scheme.is_timed() {
        lines.push(format!("const TOLERANCE_S = {TOLERANCE_S};\n"));
    }
    lines.push(format!("export function verify{parameters} {{"));
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
        if *variable == Variable::Timestamp && scheme.is_timed() {
            lines.push(
                "  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_S)) return false;"
                    .to_owned(),
            );
        }
    }
    let key = match scheme.key {
        Key::Text => "secret",
        Key::StandardWebhooks => {
            lines.push(
                "  const key = Buffer.from(secret.replace(\"whsec_\", \"\"), \"base64\");"
                    .to_owned(),
            );
            "key"
        }
    };
    let algorithm = match scheme.algorithm {
        Algorithm::HmacSha256 => "sha256",
        Algorithm::HmacSha1 => "sha1",
        Algorithm::HmacSha512 => "sha512",
    };
    let encoding = match scheme.encoding {
        Encoding::Hex => "hex",
        Encoding::Base64 => "base64",
    };
    let updates: String = scheme
        .runs()
        .iter()
        .map(|run| match run {
            Run::Body => ".update(body)".to_owned(),
            Run::Text(pieces) => format!(".update({})", expression(pieces)),
        })
        .collect();
    lines.push(format!(
        "  const signature = createHmac(\"{algorithm}\", {key}){updates}.digest(\"{encoding}\");"
    ));
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
