//! Money: whole cents of a currency the shop takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A currency the shop takes; each has cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Swiss franc.
    Chf,
    /// Euro.
    Eur,
    /// Pound sterling.
    Gbp,
    /// United States dollar.
    Usd,
}

impl Currency {
    /// Every currency the shop takes.
    pub const ALL: [Self; 4] = [Self::Chf, Self::Eur, Self::Gbp, Self::Usd];

    /// Its ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Chf => "CHF",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Usd => "USD",
        }
    }
}

/// The shop does not take this currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the shop does not take the currency `{0}`")]
pub struct UnknownCurrency(pub String);

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        let known = Self::ALL.into_iter().find(|currency| currency.code() == code);
        known.ok_or_else(|| UnknownCurrency(code.to_owned()))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount of money.
///
/// ```
/// use throughline_shop::{Currency, Money};
/// assert_eq!(Money { cents: 3905, currency: Currency::Eur }.to_string(), "39.05 EUR");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "An amount of money.")] // without the example
pub struct Money {
    /// The amount in cents.
    pub cents: u64,
    /// The currency.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} {}", self.cents / 100, self.cents % 100, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_known_by_its_exact_code() {
        for currency in Currency::ALL {
            assert_eq!(currency.code().parse(), Ok(currency));
        }
        assert_eq!("eur".parse::<Currency>(), Err(UnknownCurrency("eur".into())));
    }
}
