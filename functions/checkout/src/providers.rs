//! The payment provider and the carrier over HTTP.

use reqwest::{Client, Response, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use throughline_shop::{
    Charge, Charged, PaymentError, Payments, Shipment, ShipmentRequest, Shipping, ShippingError,
};

/// The time within which a connection must stand: a part of a step's time.
const CONNECT: Duration = Duration::from_secs(2);

/// A provider's HTTP API.
#[derive(Debug, Clone)]
pub struct Provider {
    client: Arc<OnceLock<Client>>,
    url: String,
}

/// A provider's refusal.
enum Refusal {
    /// No, for this reason.
    No(String),
    /// Nothing, or nothing that helps.
    Unclear(String),
}

/// The part of a refusal's body that is for people.
#[derive(Deserialize)]
struct Reason {
    reason: String,
}

impl Provider {
    /// The provider at a URL. Its client is built when it is first asked: a function starts without waiting for
    /// the certificates.
    pub fn new(url: impl Into<String>) -> Self {
        Self { client: Arc::default(), url: url.into() }
    }

    fn client(&self) -> Result<&Client, Refusal> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder().connect_timeout(CONNECT).build();
        let client = client.map_err(|error| Refusal::Unclear(words(&error)))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Asks for something. No time-out of its own: the step has one, and what is cut off by it is settled by
    /// the step's undo.
    async fn ask(&self, path: &str, key: Option<&str>, body: &impl Serialize) -> Result<Response, Refusal> {
        let mut request = self.client()?.post(format!("{}{path}", self.url)).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let response = request.send().await.map_err(|error| Refusal::Unclear(words(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::PAYMENT_REQUIRED | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => {
                let reason = response.json::<Reason>().await.map(|body| body.reason);
                Err(Refusal::No(reason.unwrap_or_else(|_| "it gave no reason".to_owned())))
            }
            status => Err(Refusal::Unclear(format!("it answered {status}"))),
        }
    }

    async fn ask_for<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let response = self.ask(path, Some(key), body).await?;
        response.json().await.map_err(|error| Refusal::Unclear(words(&error)))
    }
}

/// An error and its causes: reqwest's own text stops at the first.
fn words(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

impl From<Refusal> for PaymentError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::No(reason) => Self::Declined(reason),
            Refusal::Unclear(why) => Self::Unavailable(why),
        }
    }
}

impl From<Refusal> for ShippingError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::No(reason) => Self::Undeliverable(reason),
            Refusal::Unclear(why) => Self::Unavailable(why),
        }
    }
}

impl Payments for Provider {
    async fn charge(&self, charge: &Charge, key: &str) -> Result<Charged, PaymentError> {
        Ok(self.ask_for("/charges", key, charge).await?)
    }

    async fn refund(&self, charge_id: &str, key: &str) -> Result<(), PaymentError> {
        self.ask(&format!("/charges/{charge_id}/refund"), Some(key), &json!({})).await?;
        Ok(())
    }

    async fn void(&self, charge_key: &str) -> Result<(), PaymentError> {
        self.ask("/charges/void", None, &json!({ "key": charge_key })).await?;
        Ok(())
    }
}

impl Shipping for Provider {
    async fn create(&self, request: &ShipmentRequest, key: &str) -> Result<Shipment, ShippingError> {
        Ok(self.ask_for("/shipments", key, request).await?)
    }

    async fn cancel(&self, shipment_id: &str, key: &str) -> Result<(), ShippingError> {
        self.ask(&format!("/shipments/{shipment_id}/cancel"), Some(key), &json!({})).await?;
        Ok(())
    }

    async fn void(&self, shipment_key: &str) -> Result<(), ShippingError> {
        self.ask("/shipments/void", None, &json!({ "key": shipment_key })).await?;
        Ok(())
    }
}
