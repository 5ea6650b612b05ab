//! How the portal looks and who may frame it: the operator's settings for the pages that customers see.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::limits::{BRANDING_NAME_CHARS, BRANDING_ORIGINS};

/// The settings, as `RUNG_PORTAL` has them and `GET /v1` answers them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(extend("additionalProperties" = true)))]
#[serde(default, deny_unknown_fields)]
pub struct Branding {
    /// The name in the pages' heads; null for Rung's.
    pub name: Option<String>,
    /// The address of a picture, `https:` or `data:image/…`; null for Rung's.
    pub logo: Option<String>,
    /// The colour of buttons and links, such as `#4353c9`; null for Rung's.
    pub accent: Option<String>,
    /// Light or dark pages; `auto` follows the browser.
    pub theme: Theme,
    /// The language of the pages, such as `de`; null follows the browser.
    pub language: Option<String>,
    /// The address of a file with the pages' sentences in that language, for one that Rung does not know.
    pub sentences: Option<String>,
    /// The pages that portal links show; null for all.
    pub pages: Option<Vec<Page>>,
    /// The origins whose pages may show these in a frame.
    pub frame_ancestors: Vec<String>,
}

/// The languages that the pages speak by themselves.
const LANGUAGES: [&str; 2] = ["en", "de"];

/// Light or dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "PortalTheme"))]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the browser prefers.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// A page of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "PortalPage"))]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// Webhooks and their deliveries.
    Webhooks,
    /// What was published.
    Events,
    /// Event types.
    Types,
    /// Recoveries and other jobs.
    Jobs,
    /// Charts.
    Stats,
}

impl Branding {
    /// Reads the settings from JSON.
    ///
    /// # Errors
    /// What is wrong, with the name of the member.
    pub fn parse(text: &str) -> Result<Self, String> {
        let branding: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        branding.check()?;
        Ok(branding)
    }

    fn check(&self) -> Result<(), String> {
        let has_length = |name: &String| (1..=BRANDING_NAME_CHARS).contains(&name.chars().count());
        if !self.name.as_ref().is_none_or(has_length) {
            return Err(format!(
                "`name` must be 1 to {BRANDING_NAME_CHARS} characters"
            ));
        }
        if !self.logo.as_deref().is_none_or(is_picture) {
            return Err("`logo` must be an https URL or begin with data:image/".to_owned());
        }
        if !self.accent.as_deref().is_none_or(is_colour) {
            return Err("`accent` must be a colour such as #4353c9".to_owned());
        }
        if !self.sentences.as_deref().is_none_or(is_https) {
            return Err("`sentences` must be an https URL".to_owned());
        }
        match (&self.language, &self.sentences) {
            (None, Some(_)) => {
                return Err("`language` must be the code of the language of `sentences`".to_owned());
            }
            (Some(language), None) if !LANGUAGES.contains(&language.as_str()) => {
                let known = LANGUAGES.join(" or ");
                return Err(format!("`language` must be {known}, or have `sentences`"));
            }
            (Some(language), Some(_)) if !is_language(language) => {
                return Err("`language` must be a code such as fr or pt-BR".to_owned());
            }
            _ => {}
        }
        let origins = &self.frame_ancestors;
        if origins.len() > BRANDING_ORIGINS || !origins.iter().all(|origin| is_origin(origin)) {
            return Err(format!(
                "`frame_ancestors` must be up to {BRANDING_ORIGINS} origins such as https://app.example.com, without a path"
            ));
        }
        Ok(())
    }

    /// The origin that the logo is loaded from, if it is not in its own address.
    #[must_use]
    pub fn logo_origin(&self) -> Option<String> {
        origin(self.logo.as_deref()?)
    }

    /// The origin that the sentences are loaded from.
    #[must_use]
    pub fn sentences_origin(&self) -> Option<String> {
        origin(self.sentences.as_deref()?)
    }
}

fn origin(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    (url.scheme() == "https").then(|| url.origin().ascii_serialization())
}

fn is_picture(address: &str) -> bool {
    // Whatever follows stands in an attribute of a picture; there no address runs anything.
    address.starts_with("data:image/") || is_https(address)
}

fn is_https(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| url.scheme() == "https" && url.host().is_some())
}

/// Whether a text is the code of a language, as an attribute of the page has it.
fn is_language(text: &str) -> bool {
    let is_part = |part: &str| {
        (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text.split('-').all(is_part)
}

fn is_colour(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text is an origin as browsers write it. It goes into a header as it is, in which some of what a URL may have in its host
/// has a meaning: `*`, `;`, `,`.
fn is_origin(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/[]".contains(&byte);
    text.bytes().all(is_plain)
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http") && url.origin().ascii_serialization() == text
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_rungs_own() {
        assert_eq!(Branding::parse("{}"), Ok(Branding::default()));
        let whole = r##"{"name": "Acme", "logo": "https://cdn.example:8443/a.svg?v=1", "accent": "#00aaFF", "theme": "dark",
            "language": "de", "pages": ["webhooks", "types"], "frame_ancestors": ["https://app.example", "http://localhost:3000"]}"##;
        let branding = Branding::parse(whole).unwrap();
        assert_eq!(branding.theme, Theme::Dark);
        let origin = branding.logo_origin();
        assert_eq!(origin.as_deref(), Some("https://cdn.example:8443"));
        let french = r#"{"language": "fr", "sentences": "https://cdn.example/fr.json"}"#;
        let french = Branding::parse(french).unwrap();
        let origin = french.sentences_origin();
        assert_eq!(origin.as_deref(), Some("https://cdn.example"));
        let inline = Branding::parse(r#"{"logo": "data:image/png;base64,AAAA"}"#).unwrap();
        assert_eq!(inline.logo_origin(), None);
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, problem) in [
            ("", "EOF"),
            (r#"{"colour": "red"}"#, "unknown field `colour`"),
            (r#"{"name": ""}"#, "`name`"),
            (r#"{"logo": "http://cdn.example/a.svg"}"#, "`logo`"),
            (r#"{"logo": "javascript:alert(1)"}"#, "`logo`"),
            (r#"{"accent": "red; } *"}"#, "`accent`"),
            (r#"{"accent": "4353c9"}"#, "`accent`"),
            (r#"{"theme": "blue"}"#, "unknown variant `blue`"),
            (r#"{"language": "fr"}"#, "`language` must be en or de"),
            (
                r#"{"sentences": "https://cdn.example/fr.json"}"#,
                "`language`",
            ),
            (
                r#"{"language": "f r", "sentences": "https://cdn.example/fr.json"}"#,
                "`language`",
            ),
            (
                r#"{"language": "fr", "sentences": "http://cdn.example/fr.json"}"#,
                "`sentences`",
            ),
            (r#"{"pages": ["keys"]}"#, "unknown variant `keys`"),
            (r#"{"frame_ancestors": ["*"]}"#, "`frame_ancestors`"),
            (
                r#"{"frame_ancestors": ["https://*.example"]}"#,
                "`frame_ancestors`",
            ),
            (
                r#"{"frame_ancestors": ["https://a.example/"]}"#,
                "`frame_ancestors`",
            ),
            (
                r#"{"frame_ancestors": ["https://a.example; script-src *"]}"#,
                "`frame_ancestors`",
            ),
            (
                r#"{"frame_ancestors": ["https://a.example;script-src"]}"#,
                "`frame_ancestors`",
            ),
        ] {
            let found = Branding::parse(text).unwrap_err();
            assert!(found.contains(problem), "{text}: {found}");
        }
    }
}
