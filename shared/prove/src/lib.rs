//! Examining a webhook's receiver: what it verifies, takes, answers, and how quickly.
//!
//! It is sent what Rung sends to the webhook, as tests are: genuine deliveries, which are to be accepted, and forged ones (`request`),
//! which are to be refused. What each has shown is a [`Finding`] of the [`Report`], with a mend where something is wrong. Genuine ones
//! go first: where none is accepted nothing is forged.

mod report;
mod request;

use std::time::Duration;

use rung_base::{chance, clock::Clock};
use rung_core::{
    domain::webhook::Webhook,
    egress::{Failure, named},
    flow::{
        FlowError,
        accept::Refusal,
        post::{Poster, Trial, Tried, url_on_the_wire},
    },
};
use rung_dialect::{Dialect, SignInput, SignedRequest, statuses};
use rung_json::Json;
use tokio::time::Instant;
use uuid::Uuid;

pub use self::report::{Check, Finding, Outcome, Report};
use self::request::{Delivery, Forger, Forgery, Oddity};

/// An examination of a webhook's receiver.
pub struct Examination<'a> {
    /// What posts.
    pub poster: &'a Poster,
    /// What deliveries are signed by.
    pub clock: &'a dyn Clock,
    /// The webhook, whatever its status.
    pub webhook: &'a Webhook,
    /// What it speaks.
    pub dialect: &'a Dialect,
    /// The type whose sample is sent, by the name that the dialect's catalogue has.
    pub event_type: &'a str,
    /// Whether an event of this type may have such data: nothing else is ever delivered.
    pub takes: &'a (dyn Fn(&Json) -> bool + Sync),
    /// How long it may take; as long as it needs if that is not said.
    pub within: Option<Duration>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The sample of the type cannot be delivered.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This host cannot send.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

impl Examination<'_> {
    /// Examines the receiver.
    ///
    /// # Errors
    /// When the dialect has no such type, or cannot say its sample; and when this host cannot send, which is no finding.
    pub async fn run(&self) -> Result<Report, Fault> {
        let Self {
            clock,
            webhook,
            dialect,
            event_type,
            ..
        } = *self;
        let sample = dialect.catalogue.sample(event_type);
        let sample = sample.ok_or_else(|| Refusal::UnknownType {
            event_type: event_type.to_owned(),
        })?;
        let delivery = Delivery::new(clock, dialect, event_type, sample)?;
        let wall_ms = clock.wall_ms();
        let (secret, newer_secrets) = webhook.secrets_at(wall_ms);
        let url = url_on_the_wire(webhook);
        let input = SignInput {
            event_id: &delivery.event_id,
            event_type,
            delivery_id: delivery_id(),
            webhook_id: webhook.id.as_str(),
            tenant: webhook.tenant.as_str(),
            url: &url,
            time_ms: wall_ms,
            body: &delivery.body,
            secret,
            newer_secrets: &newer_secrets,
            ..SignInput::default()
        };
        let mut course = Course {
            of: self,
            until: self.within.map(|within| Instant::now() + within),
            findings: Vec::new(),
            slowest_ms: None,
            ran_out: false,
        };
        course.run(input, sample).await?;
        let failed = |finding: &Finding| finding.outcome == Outcome::Failed;
        Ok(Report {
            url: webhook.url.clone(),
            dialect: dialect.name.clone(),
            event_type: event_type.to_owned(),
            ok: !course.ran_out && !course.findings.iter().any(failed),
            checks: course.findings,
        })
    }
}

fn delivery_id() -> Uuid {
    uuid::Builder::from_random_bytes(chance::bytes()).into_uuid()
}

/// An examination under way.
struct Course<'a> {
    of: &'a Examination<'a>,
    until: Option<Instant>,
    findings: Vec<Finding>,
    /// The longest that a genuine delivery took.
    slowest_ms: Option<u64>,
    /// Whether something was left out for lack of time.
    ran_out: bool,
}

impl Course<'_> {
    async fn run(&mut self, mut input: SignInput<'_>, sample: &Json) -> Result<(), FlowError> {
        let first = self.genuine(Check::Delivery, &input).await?;
        if self.findings[0].outcome != Outcome::Passed {
            let reason = match self.ran_out {
                true => self.no_time(),
                false => "no delivery is accepted".to_owned(),
            };
            let oddities = Oddity::ALL.map(Oddity::check).into_iter();
            let forgeries = Forgery::ALL.map(Forgery::check);
            let rest = [Check::Repeat].into_iter().chain(oddities);
            for check in rest.chain(forgeries).chain([Check::Speed]) {
                self.findings.push(Finding::skipped(check, &*reason));
            }
            return Ok(());
        }
        // It knows the other secret alone: what the first has signed, it refuses for that alone.
        let knows_other = first.is_some_and(|first| first.is_second);
        if knows_other {
            input.alone = self.of.dialect.second_secret(&input);
        }
        self.genuine(Check::Repeat, &input).await?;
        for oddity in Oddity::ALL {
            self.odd(oddity, &input, sample).await?;
        }
        let forger = Forger {
            dialect: self.of.dialect,
            input,
            sample,
            clock: self.of.clock,
        };
        for forgery in Forgery::ALL {
            match forger.forged(forgery) {
                Ok(forged) => self.forged(forgery, &input, &forged).await?,
                Err(reason) => {
                    let skipped = Finding::skipped(forgery.check(), reason);
                    self.findings.push(skipped);
                }
            }
        }
        if let Some(slowest_ms) = self.slowest_ms {
            self.findings
                .push(speed(slowest_ms, self.of.dialect.timeout_ms));
        }
        Ok(())
    }

    /// Sends a genuine delivery, and notes whether it is accepted.
    async fn genuine(
        &mut self,
        check: Check,
        input: &SignInput<'_>,
    ) -> Result<Option<Tried>, FlowError> {
        let tried = self.send(check, input, None).await?;
        if let Some(tried) = &tried {
            self.slowest_ms = self.slowest_ms.max(Some(tried.elapsed_ms));
            self.findings.push(self.accepts(check, tried));
        }
        Ok(tried)
    }

    /// The same of an event with odd data.
    async fn odd(
        &mut self,
        oddity: Oddity,
        input: &SignInput<'_>,
        sample: &Json,
    ) -> Result<(), FlowError> {
        let Examination {
            clock,
            dialect,
            event_type,
            takes,
            ..
        } = *self.of;
        let data = oddity.data(sample, dialect.reparse_safe);
        let reason = if takes(&data) {
            match Delivery::new(clock, dialect, event_type, &data) {
                Ok(delivery) => {
                    let input = SignInput {
                        event_id: &delivery.event_id,
                        delivery_id: delivery_id(),
                        time_ms: clock.wall_ms(),
                        body: &delivery.body,
                        ..*input
                    };
                    // What cannot be signed is for the attempt to say.
                    let request = dialect.request(&input);
                    if request.is_ok_and(|request| !oddity.is_in(&request.body)) {
                        let name = &dialect.name;
                        format!(
                            "{name} sends some members of the data alone, so this is not in the body"
                        )
                    } else {
                        self.genuine(oddity.check(), &input).await?;
                        return Ok(());
                    }
                }
                Err(refusal) => refusal.to_string(),
            }
        } else {
            format!("the schema of {event_type} does not allow such data")
        };
        self.findings.push(Finding::skipped(oddity.check(), reason));
        Ok(())
    }

    /// Sends a forged delivery, and notes whether it is refused.
    async fn forged(
        &mut self,
        forgery: Forgery,
        input: &SignInput<'_>,
        forged: &SignedRequest<'_>,
    ) -> Result<(), FlowError> {
        let tried = self.send(forgery.check(), input, Some(forged)).await?;
        if let Some(tried) = &tried {
            self.findings.push(self.refuses(forgery, tried));
        }
        Ok(())
    }

    /// Sends a request; notes if there is no time for it.
    async fn send(
        &mut self,
        check: Check,
        input: &SignInput<'_>,
        forged: Option<&SignedRequest<'_>>,
    ) -> Result<Option<Tried>, FlowError> {
        let Examination {
            poster,
            webhook,
            dialect,
            ..
        } = *self.of;
        let trial = Trial {
            input: *input,
            forged,
            until: self.until,
        };
        let tried = poster.examine(webhook, dialect, &trial).await?;
        if tried.is_none() {
            self.ran_out = true;
            self.findings.push(Finding::skipped(check, self.no_time()));
        }
        Ok(tried)
    }

    fn no_time(&self) -> String {
        let within_s = self.of.within.unwrap_or_default().as_secs();
        format!("no time was left: an examination takes at most {within_s} s")
    }

    /// A genuine delivery is accepted.
    fn accepts(&self, check: Check, tried: &Tried) -> Finding {
        let finding = passed(check, tried);
        let status = match &tried.answer {
            Err(failure) => return finding.failed(failure.to_string(), mend_of(failure)),
            Ok(status) if self.of.dialect.is_success(status.as_u16()) => return finding,
            Ok(status) => status,
        };
        let successes = statuses(self.of.dialect.success());
        let problem = format!("it answers {}", named(*status));
        if status.is_success() {
            let name = &self.of.dialect.name;
            return finding.failed(
                problem,
                format!("answer {successes}: {name} counts no other status as a success"),
            );
        }
        if status.is_redirection() {
            return match &tried.leads_to {
                Some(to) => finding.failed(
                    format!("{problem}, a redirect to {to}"),
                    format!("give {to} as the webhook's URL: redirects are not followed"),
                ),
                None => finding.failed(problem, "answer at this URL: redirects are not followed"),
            };
        }
        let mend = match (check, status.as_u16()) {
            (_, 410) => {
                "answer 410 only if you want no more deliveries: it may disable the webhook at once"
            }
            (Check::Repeat, _) => {
                "answer a delivery that you have already with a success, too: each may come more than once"
            }
            (Check::Delivery, 401 | 403) => {
                "does the receiver have this secret, and does it verify the raw body?"
            }
            (Check::Delivery, _) => {
                return finding.failed(
                    problem,
                    format!("answer with a success ({successes}) as soon as the delivery is verified and stored"),
                );
            }
            _ => {
                "accept any data that an event may have: verify the raw body, and use a JSON parser that accepts all valid JSON"
            }
        };
        finding.failed(problem, mend)
    }

    /// A forged delivery is refused.
    fn refuses(&self, forgery: Forgery, tried: &Tried) -> Finding {
        let finding = passed(forgery.check(), tried);
        match &tried.answer {
            Err(failure) => finding.failed(
                failure.to_string(),
                "answer 401 to what does not verify, also when it cannot be read",
            ),
            Ok(status) if self.of.dialect.is_success(status.as_u16()) => finding.failed(
                format!("it answers {} to {}", named(*status), forgery.what()),
                forgery.mend(),
            ),
            Ok(status) if status.as_u16() == 410 => finding.failed(
                format!("it answers 410 to {}", forgery.what()),
                "refuse with 401: 410 says that you want no more deliveries, and may disable the webhook at once",
            ),
            Ok(status) if status.is_server_error() => finding.failed(
                format!("it answers {} to {}", named(*status), forgery.what()),
                "refuse with 401: after a 5xx the delivery is sent again, and 502, 503 and 504 may pause the webhook",
            ),
            Ok(_) => finding,
        }
    }
}

fn passed(check: Check, tried: &Tried) -> Finding {
    let status = tried.answer.as_ref().ok().map(|status| status.as_u16());
    Finding::passed(check, status, Some(tried.elapsed_ms))
}

/// The slowest answer is to leave half of the time-out.
fn speed(slowest_ms: u64, timeout_ms: u64) -> Finding {
    let finding = Finding::passed(Check::Speed, None, Some(slowest_ms));
    if slowest_ms <= timeout_ms / 2 {
        return finding;
    }
    finding.failed(
        format!("an answer took {slowest_ms} ms, and the time-out is {timeout_ms} ms"),
        "answer first, and do the work afterwards",
    )
}

fn mend_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Timeout(_) => "answer first, and do the work afterwards",
        Failure::Refused => "is it running, and does it listen at this port?",
        Failure::HostNotFound | Failure::Dns => "is the host's name right, and public?",
        Failure::CertificateIssuer | Failure::CertificateSelfSigned => {
            "serve a certificate of a public authority, with its intermediate certificates"
        }
        Failure::CertificateExpired => "renew the certificate",
        Failure::CertificateName => "serve a certificate for this host's name",
        _ => "can it be reached from where Rung runs?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_leaves_less_than_half_of_the_time_is_slow() {
        assert_eq!(speed(5_000, 10_000).outcome, Outcome::Passed);
        assert_eq!(speed(5_001, 10_000).outcome, Outcome::Failed);
    }
}
