//! The formats that the directory of webhooks.fyi lists.

use crate::requests::formats;

/// Each provider's name in the directory, and the file that writes its format.
const FILES: [(&str, &str); 55] = [
    ("Airship", "airship"),
    ("Autodesk Forge", "autodesk"),
    ("Bitbucket", "bitbucket"),
    ("Bolt", "bolt"),
    ("Box", "box"),
    ("Brex", "brex"),
    ("Buildkite", "buildkite"),
    ("Calendly", "calendly"),
    ("Castle", "castle"),
    ("Convoy", "convoy"),
    ("CircleCI", "circleci"),
    ("Coinbase", "coinbase-commerce"),
    ("ConfigCat", "configcat"),
    ("Contentful", "contentful"),
    ("DocuSign", "docusign"),
    ("Dropbox", "dropbox"),
    ("Facebook Graph API", "meta"),
    ("Facebook Messenger", "meta"),
    ("FastSpring", "fastspring"),
    ("Frame.io", "frame-io"),
    ("GitHub", "github"),
    ("Heroku", "heroku"),
    ("Hookdeck", "hookdeck"),
    ("HubSpot V1", "hubspot-v1"),
    ("HubSpot V2", "hubspot-v2"),
    ("HubSpot V3", "hubspot-v3"),
    ("Intercom", "intercom"),
    ("LaunchDarkly", "launchdarkly"),
    ("Lob", "lob"),
    ("Mailchimp", "mandrill"),
    ("MakePlans", "makeplans"),
    ("Maxio Chargify", "chargify"),
    ("Microsoft Teams", "microsoft-teams"),
    ("Modern Treasury", "modern-treasury"),
    ("MongoDB", "mongodb"),
    ("Mux", "mux"),
    ("PagerDuty", "pagerduty"),
    ("Pinwheel", "pinwheel"),
    ("Pusher", "pusher"),
    ("Sentry", "sentry"),
    ("Shopify", "shopify"),
    ("Signal Sciences", "signal-sciences"),
    ("Slack", "slack"),
    ("Smartsheet", "smartsheet"),
    ("Sonatype Nexus", "nexus"),
    ("Square", "square"),
    ("Stripe", "stripe"),
    ("Svix", "svix"),
    ("Tiktok", "tiktok"),
    ("Twilio", "twilio"),
    ("Twitter Account Activity API", "twitter"),
    ("Typeform", "typeform"),
    ("Xero", "xero"),
    ("Zendesk", "zendesk"),
    ("Zoom", "zoom"),
];

#[test]
fn the_formats_of_the_directory_have_files() {
    let formats = formats();
    let has_file = |name: &str| formats.iter().any(|format| format.dialect.name == name);
    for (provider, file) in FILES {
        assert!(has_file(file), "{provider}: {file}");
    }
}
