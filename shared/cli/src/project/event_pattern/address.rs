//! IP addresses and blocks of them, as hexadecimal digits.

use std::net::Ipv6Addr;

/// The hexadecimal digits of an address: 8 or 32.
pub(super) type Digits = String;

/// An address, if a text reads as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) digits: Digits,
    /// Whether the address has more leading zeros than usual: not every Java takes it.
    pub(super) is_unusual: bool,
}

impl Address {
    pub(super) fn of(text: &str) -> Option<Self> {
        if text.contains(':') { Self::of_version_6(text) } else { Self::of_version_4(text) }
    }

    fn of_version_4(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let are_digits =
            parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        if parts.len() != 4 || !are_digits || text.len() > 15 {
            return None;
        }
        let bytes: Vec<u8> = parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let is_unusual = parts.iter().any(|part| part.len() > 1 && part.starts_with('0'));
        Some(Self { digits: digits(&bytes), is_unusual })
    }

    fn of_version_6(text: &str) -> Option<Self> {
        let is_short = |group: &str| group.len() <= 4;
        let short = |group: &str| {
            let kept = group.trim_start_matches('0');
            if is_short(group) {
                group.to_owned()
            } else {
                format!("0{kept}")[usize::from(kept.len() == 4)..].to_owned()
            }
        };
        let groups: Vec<String> = text.split(':').map(short).collect();
        let address: Ipv6Addr = groups.join(":").parse().ok().filter(|_| !text.contains('.'))?;
        let is_unusual = !text.split(':').all(is_short);
        let bytes = address.octets();
        // Java takes these for version 4.
        let is_mapped = address.to_ipv4_mapped().is_some();
        Some(Self { digits: digits(if is_mapped { &bytes[12..] } else { &bytes }), is_unusual })
    }
}

fn digits(bytes: &[u8]) -> Digits {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default().to_ascii_uppercase();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]).collect()
}

/// Neighbouring addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    lowest: Digits,
    highest: Digits,
}

impl Block {
    /// The block of a single address.
    pub(super) fn of_one(address: &Address) -> Self {
        Self { lowest: address.digits.clone(), highest: address.digits.clone() }
    }

    /// A block in CIDR notation.
    ///
    /// # Errors
    /// A sentence, if it is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("`{text}` is no block of IP addresses: {why}"));
        let Some((address, length)) = text.trim_end_matches('/').split_once('/') else {
            return wrong("there must be one slash in it");
        };
        let Ok(length) = length.parse::<usize>() else {
            return wrong("a whole number must follow the slash");
        };
        let Some(address) = Address::of(address) else {
            return wrong("an IP address must stand before the slash");
        };
        let bits = address.digits.len() * 4;
        if length >= bits {
            return wrong(&format!("at most {} bits may be named", bits - 1));
        }
        let bound = |is_highest: bool| -> Digits {
            let digit = |(place, digit): (usize, char)| {
                let free = (place * 4 + 4).saturating_sub(length).min(4);
                let mask = (1_u32 << free) - 1;
                let digit = digit.to_digit(16).unwrap_or_default();
                let digit = if is_highest { digit | mask } else { digit & !mask };
                char::from_digit(digit, 16).unwrap_or_default().to_ascii_uppercase()
            };
            address.digits.chars().enumerate().map(digit).collect()
        };
        Ok(Self { lowest: bound(false), highest: bound(true) })
    }

    /// Returns whether an address of the same version lies in the block.
    pub(super) fn holds(&self, address: &Address) -> bool {
        let digits = &address.digits;
        digits.len() == self.lowest.len() && (&self.lowest..=&self.highest).contains(&digits)
    }

    /// Returns whether the block holds an address, to Amazon's matcher. That stops at the first digit that decides, so
    /// that addresses of the other version fall into a block, too.
    pub(super) fn holds_by_digits(&self, address: &Address) -> bool {
        let (mut is_lowest, mut is_highest) = (true, true);
        for (digit, (lowest, highest)) in
            address.digits.bytes().zip(self.lowest.bytes().zip(self.highest.bytes()))
        {
            if is_lowest && digit < lowest || is_highest && digit > highest {
                return false;
            }
            is_lowest &= digit == lowest;
            is_highest &= digit == highest;
            if !is_lowest && !is_highest {
                return true;
            }
        }
        address.digits.len() >= self.lowest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_as_addresses_as_in_java() {
        for (text, expected) in [
            ("10.0.0.1", Some("0A000001")),
            ("::ffff:a00:1", Some("0A000001")),
            ("::1", Some("00000000000000000000000000000001")),
            ("CAFE::", Some("CAFE0000000000000000000000000000")),
            ("::00001", Some("00000000000000000000000000000001")),
            ("::00000", Some("00000000000000000000000000000000")),
            ("::0ffff", Some("0000000000000000000000000000FFFF")),
            ("::10000", None),
            ("10.0.0.256", None),
            ("10.0.0", None),
            ("10.0.0.1 ", None),
            ("::ffff:10.0.0.1", None),
            ("2001:db8::1%eth0", None),
            ("12:34", None),
            (":", None),
            ("", None),
        ] {
            assert_eq!(Address::of(text).map(|address| address.digits).as_deref(), expected, "{text}");
        }
        assert!(Address::of("010.0.0.1").unwrap().is_unusual);
    }

    #[test]
    fn a_block_is_a_whole_one_whatever_address_names_it() {
        let block = Block::read("10.0.0.77/23").unwrap();
        assert_eq!((block.lowest.as_str(), block.highest.as_str()), ("0A000000", "0A0001FF"));
        for wrong in
            ["10.0.0.0/32", "::/128", "::ffff:0:0/96", "10.0.0.0", "/8", "10.0.0.0/-1", "10.0.0.0/8/8", "x/8"]
        {
            assert!(Block::read(wrong).is_err(), "{wrong}");
        }
    }
}
