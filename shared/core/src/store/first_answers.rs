//! What the requests under an `Idempotency-Key` were answered: `T#t`, or `O` for the operator's own, / `I#name`, where the name is
//! the hash of the call and the key; and beside it, for a day, `I#name#s` with the answer as it was, if it had secrets. That one is for the
//! API key alone whose id is in it.
//!
//! A call claims the row before it does anything, with a lease: a repeat meanwhile is told to come again. Its answer is written with its
//! change where that is one transaction, and after it otherwise. A call that dies leaves a claim without an answer. Once the
//! lease is over, a repeat takes it over with its token, by which it finds what was begun.
//!
//! A batch of events needs no kept answer, since each of its events is known again. Its row binds the key to the batch alone.
//!
//! Answers are encrypted, for what they show may be erased meanwhile. The row stays when what the request made is deleted, or a repeat
//! would make another.

use aws_sdk_dynamodb::types::{Delete, Put, Update};
use rung_base::chance;

use super::{
    NOTHING_THERE, Query, Range, Reencrypted, Store, StoreError, codec,
    item::{self, Builder, Row},
    put_if, tenant_row,
    transact::{Part, Transacted},
};
use crate::{
    domain::{
        id::{KeyId, TenantId},
        idempotency::{Claim, FirstAnswer, Kept, Keyed},
    },
    limits::{CLAIM_MS, FIRST_ANSWER_BYTES, SECRETS_REPEATED_S},
};

/// The partition of the operator's own.
pub(super) const OPERATOR: &str = "O";
const PREFIX: &str = "I#";
/// The attribute of the answer.
const ANSWER: &str = "ans";
/// The attribute of the id of the API key whose answer it is.
const BY: &str = "by";
/// The condition that the claim with this lease is still the call's own, and not answered.
const HELD: &str = "lease = :lease AND attribute_not_exists(ans)";
/// Rows of a page while they are encrypted anew.
const PAGE: usize = 100;

/// What came of claiming a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is this call's to do.
    Now(Claim),
    /// Another call is at it.
    UnderWay,
    /// The key belongs to another request.
    Other,
    /// It was answered before.
    Answered(Box<FirstAnswer>),
}

impl Store {
    /// Claims a request for the call that has just begun, which came with the key `by`.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn claim(&self, request: Keyed, by: KeyId) -> Result<Claimed, StoreError> {
        let expires_s = self.expiry_of_request(&request).await?;
        let mut claim = Claim {
            request,
            by,
            token: chance::hex::<12>(),
            until_ms: self.clock.wall_ms() + CLAIM_MS,
            expires_s,
            is_taken_over: false,
        };
        let item = claim_row(&claim).build();
        let Some(row) = self.put_new(item).await? else {
            return Ok(Claimed::Now(claim));
        };
        if row.bytes("h")? != claim.request.content_hash {
            return Ok(Claimed::Other);
        }
        if row.0.contains_key(ANSWER) {
            let whole = self
                .get(pk(&claim.request), secret_sk(&claim.request))
                .await?;
            let own = whole.filter(|whole| {
                let owner = whole.parsed(BY, |owner| Some(owner == claim.by.as_str()));
                owner.unwrap_or(false)
            });
            let answer = self.answer_of(own.as_ref().unwrap_or(&row))?;
            return Ok(Claimed::Answered(Box::new(answer)));
        }
        let until_ms: u64 = row.number("lease")?;
        if until_ms > self.clock.wall_ms() {
            return Ok(Claimed::UnderWay);
        }
        claim.token = row.parsed("token", |token| Some(token.to_owned()))?;
        claim.is_taken_over = true;
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(claim_row(&claim).build()))
            .condition_expression(HELD)
            .expression_attribute_values(":lease", item::number(until_ms))
            .build()?;
        Ok(match self.transact([Part::Put(Box::new(put))]).await? {
            Transacted::Written => Claimed::Now(claim),
            Transacted::Refused(_) => Claimed::UnderWay,
        })
    }

    /// Keeps what answered a call.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn keep(&self, kept: &Kept) -> Result<(), StoreError> {
        // Whoever has taken the claim over answers the repeats.
        self.transact(self.kept(kept)?).await.map(drop)
    }

    /// The parts of a transaction that keep what answers its call. The first one's condition fails when the claim was lost.
    pub(super) fn kept(&self, kept: &Kept) -> Result<Vec<Part>, StoreError> {
        let Kept {
            claim,
            lasting,
            whole,
        } = kept;
        let request = &claim.request;
        let (pk, sk) = (pk(request), sk(request));
        let encrypted = self.encrypt((&pk, &sk), ANSWER, &packed(lasting)?)?;
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(claim_row(claim).with(ANSWER, encrypted).build()))
            .condition_expression(HELD)
            .expression_attribute_values(":lease", item::number(claim.until_ms))
            .build()?;
        let mut parts = vec![Part::Put(Box::new(put))];
        if let Some(whole) = whole {
            let sk = secret_sk(request);
            let encrypted = self.encrypt((&pk, &sk), ANSWER, &packed(whole)?)?;
            let end_s = self.clock.wall_ms() / 1000 + SECRETS_REPEATED_S;
            let row = Builder::new(&pk, sk)
                .with(ANSWER, encrypted)
                .text(BY, claim.by.as_str())
                .number("exp", end_s.min(claim.expires_s));
            let put = Put::builder()
                .table_name(&*self.table)
                .set_item(Some(row.build()));
            parts.push(Part::Put(Box::new(put.build()?)));
        }
        Ok(parts)
    }

    /// Gives a claim up: what it asks for was refused, and the key is free for another request.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn give_up(&self, claim: &Claim) -> Result<(), StoreError> {
        let delete = Delete::builder()
            .table_name(&*self.table)
            .key("pk", item::text(pk(&claim.request)))
            .key("sk", item::text(sk(&claim.request)))
            .condition_expression(HELD)
            .expression_attribute_values(":lease", item::number(claim.until_ms))
            .build()?;
        let parts = [Part::Delete(Box::new(delete))];
        self.transact(parts).await.map(drop)
    }

    /// Ends a claim's lease: nobody knows what the call has done, and a repeat may take it over at once.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn let_go(&self, claim: &Claim) -> Result<(), StoreError> {
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", item::text(pk(&claim.request)))
            .key("sk", item::text(sk(&claim.request)))
            .update_expression("SET lease = :now")
            .condition_expression(HELD)
            .expression_attribute_values(":now", item::number(self.clock.wall_ms()))
            .expression_attribute_values(":lease", item::number(claim.until_ms))
            .build()?;
        let parts = [Part::Update(Box::new(update))];
        self.transact(parts).await.map(drop)
    }

    /// Binds the key of a request whose answer is not kept to what the request asks for. Returns whether the key is bound to this.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn bind(&self, request: &Keyed) -> Result<bool, StoreError> {
        let expires_s = self.expiry_of_request(request).await?;
        let hash = request.content_hash.to_vec();
        let row = Builder::new(pk(request), sk(request))
            .bytes("h", hash.clone())
            .number("exp", expires_s);
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(row.build()))
            .condition_expression(format!(
                "{NOTHING_THERE} OR attribute_not_exists(h) OR h = :h"
            ))
            .expression_attribute_values(":now", self.now())
            .expression_attribute_values(":h", item::bytes(hash));
        Ok(put_if(put).await?.is_none())
    }

    /// Frees a key that was [bound](Self::bind): what the request asks for was refused.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn unbind(&self, request: &Keyed) -> Result<(), StoreError> {
        // Not a deletion, which the function that publishes is not permitted.
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", item::text(pk(request)))
            .key("sk", item::text(sk(request)))
            .update_expression("REMOVE h")
            .condition_expression("h = :h")
            .expression_attribute_values(":h", item::bytes(request.content_hash.to_vec()))
            .build()?;
        let parts = [Part::Update(Box::new(update))];
        self.transact(parts).await.map(drop)
    }

    async fn expiry_of_request(&self, request: &Keyed) -> Result<u64, StoreError> {
        match &request.tenant {
            Some(tenant) => self.expiry_of(tenant).await,
            None => Ok(self.expiry()),
        }
    }

    /// Encrypts anew the answers of a tenant's requests, or of the operator's own.
    pub(super) async fn reencrypt_answers(
        &self,
        tenant: Option<&TenantId>,
        done: &mut Reencrypted,
    ) -> Result<(), StoreError> {
        let pk = partition(tenant);
        let mut query = Query {
            range: Range::Prefix(PREFIX),
            limit: Some(PAGE),
            ..Query::of(&pk)
        };
        loop {
            let page = self.query(query.clone()).await?;
            self.reencrypt_rows(page.rows, &[ANSWER], done).await?;
            match page.after {
                Some(after) => query.after = Some(after),
                None => return Ok(()),
            }
        }
    }

    fn answer_of(&self, row: &Row) -> Result<FirstAnswer, StoreError> {
        let packed = self.decrypt(row, ANSWER)?;
        let json = codec::expand(&packed, FIRST_ANSWER_BYTES).map_err(|_| row.missing(ANSWER))?;
        serde_json::from_slice(&json).map_err(|_| row.missing(ANSWER))
    }
}

fn packed(answer: &FirstAnswer) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(answer).map_err(std::io::Error::from);
    let packed = json.and_then(|json| codec::compress(&json));
    packed.map_err(|error| StoreError::Unavailable(error.to_string().into()))
}

fn claim_row(claim: &Claim) -> Builder {
    Builder::new(pk(&claim.request), sk(&claim.request))
        .bytes("h", claim.request.content_hash.to_vec())
        .text("token", claim.token.as_str())
        .number("lease", claim.until_ms)
        .number("exp", claim.expires_s)
}

fn partition(tenant: Option<&TenantId>) -> String {
    tenant.map_or_else(|| OPERATOR.to_owned(), tenant_row::partition)
}

fn pk(request: &Keyed) -> String {
    partition(request.tenant.as_ref())
}

fn sk(request: &Keyed) -> String {
    format!("{PREFIX}{}", request.name)
}

fn secret_sk(request: &Keyed) -> String {
    format!("{PREFIX}{}#s", request.name)
}
