//! The catalogue of the caller's dialect, for whoever subscribes and whoever publishes.

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use rung_shared::{
    api::{ApiError, answer},
    dialect::{Catalogue, EventType},
    json::Json,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{Management, Path};

/// An event type of the tenant's dialect.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventType")]
pub(crate) struct View<'a> {
    r#type: &'a str,
    aliases: &'a [String],
    group: Option<&'a str>,
    groups: &'a [String],
    description: Option<&'a str>,
    sample: &'a Json,
}

impl<'a> From<&'a EventType> for View<'a> {
    fn from(listed: &'a EventType) -> Self {
        Self {
            r#type: &listed.name,
            aliases: &listed.aliases,
            group: listed.groups.first().map(String::as_str),
            groups: &listed.groups,
            description: Some(&listed.description),
            sample: &listed.sample,
        }
    }
}

fn view<'a>(catalogue: &'a Catalogue, name: &'a str) -> Option<View<'a>> {
    if let Some(listed) = catalogue.get(name) {
        return Some(listed.into());
    }
    // An open catalogue has any type, though it knows nothing else of it.
    Some(View {
        r#type: catalogue.resolve_type(name)?,
        aliases: &[],
        group: None,
        groups: &[],
        description: None,
        sample: catalogue.sample(name)?,
    })
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let caller = state.api.any_caller(&headers).await?;
    let dialect = state.api.dialect(&caller.tenant.dialect)?;
    let types: Vec<_> = dialect.catalogue.types().iter().map(View::from).collect();
    let data = json!({
        "event_types": types,
        "groups": dialect.catalogue.groups(),
        "any_type": dialect.catalogue.takes_any_type(),
    });
    Ok(answer(StatusCode::OK, data))
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let caller = state.api.any_caller(&headers).await?;
    let dialect = state.api.dialect(&caller.tenant.dialect)?;
    let view = view(&dialect.catalogue, &name);
    let view = view.ok_or_else(|| ApiError::not_found("event type", &name))?;
    Ok(answer(StatusCode::OK, json!({ "event_type": view })))
}
