//! Lists in variables: `name=value,name=value`, with what stands between read as percent-encoded
//! ([W3C Baggage](https://www.w3.org/TR/baggage/#header-content), which the specifications of
//! `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_RESOURCE_ATTRIBUTES` name).

/// The pairs of a list; the error is the part that is none.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, &str> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| pair(part).ok_or(part)).collect()
}

fn pair(part: &str) -> Option<(String, String)> {
    let (name, value) = part.split_once('=')?;
    // What follows a semicolon is a property of the pair, which nobody here reads.
    let value = value.split(';').next().unwrap_or_default();
    let name = decoded(name.trim()).filter(|name| !name.is_empty())?;
    Some((name, decoded(value.trim())?))
}

fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_the_standard_writes_it() {
        let read = pairs("authorization=Basic%20a2V5, x-team = shop;ttl=1,,empty=").unwrap();
        let expected = [("authorization", "Basic a2V5"), ("x-team", "shop"), ("empty", "")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_no_list_names_its_part() {
        for (text, part) in
            [("a=b,c", "c"), ("=x", "=x"), ("a=%4", "a=%4"), ("a=%zz", "a=%zz"), ("a=%ff", "a=%ff")]
        {
            assert_eq!(pairs(text), Err(part));
        }
    }
}
