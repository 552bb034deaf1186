//! The part of CloudWatch's metric math that alarms need: numbers, metrics, the four operations and `FILL` ("Using
//! metric math").

/// Returns the value of an expression, or `None` if a metric without `FILL` has no value, or after a division by zero.
///
/// # Errors
/// A sentence, if it cannot be read.
pub(super) fn evaluate(text: &str, value: &dyn Fn(&str) -> Option<f64>) -> Result<Option<f64>, String> {
    let mut reader = Reader { text, at: 0, value };
    let result = reader.sum()?;
    match reader.peek() {
        None => Ok(result),
        Some(other) => Err(format!("`{other}` in `{text}` is not understood")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    value: &'a dyn Fn(&str) -> Option<f64>,
}

impl Reader<'_> {
    fn sum(&mut self) -> Result<Option<f64>, String> {
        let mut left = self.product()?;
        while let Some(operator @ ('+' | '-')) = self.peek() {
            self.at += 1;
            let right = self.product()?;
            left = left.zip(right).map(|(a, b)| if operator == '+' { a + b } else { a - b });
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Option<f64>, String> {
        let mut left = self.factor()?;
        while let Some(operator @ ('*' | '/')) = self.peek() {
            self.at += 1;
            let right = self.factor()?;
            left = left.zip(right).and_then(|(a, b)| match operator {
                '*' => Some(a * b),
                _ => (b != 0.0).then(|| a / b),
            });
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Option<f64>, String> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.sum()?;
                self.expect(')')?;
                Ok(inner)
            }
            Some(letter) if letter.is_ascii_digit() => {
                let word = self.word(|letter| letter.is_ascii_digit() || letter == '.');
                word.parse().map(Some).map_err(|_| format!("`{word}` in `{}` is no number", self.text))
            }
            Some(letter) if letter.is_ascii_alphabetic() => {
                let name = self.word(|letter| letter.is_ascii_alphanumeric() || letter == '_');
                if name != "FILL" {
                    return Ok((self.value)(&name));
                }
                self.expect('(')?;
                let inner = self.sum()?;
                self.expect(',')?;
                let filling = self.sum()?;
                self.expect(')')?;
                Ok(inner.or(filling))
            }
            other => Err(format!("{other:?} in `{}` is not understood", self.text)),
        }
    }

    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn word(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let word: String = self.text[self.at..].chars().take_while(|letter| is_part(*letter)).collect();
        self.at += word.len();
        word
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.peek() {
            Some(found) if found == wanted => {
                self.at += wanted.len_utf8();
                Ok(())
            }
            other => Err(format!("`{wanted}` is missing in `{}`, where {other:?} is", self.text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<f64> {
        let known = |name: &str| match name {
            "failed" => Some(3.0),
            "processed" => Some(9.0),
            _ => None,
        };
        evaluate(text, &known).unwrap()
    }

    #[test]
    fn a_rate_of_what_is_there_and_what_is_filled() {
        assert_eq!(value("100 * failed / (failed + FILL(processed, 0) + FILL(duplicates, 0))"), Some(25.0));
        assert_eq!(value("1 + 2 * 3 - 8 / 4"), Some(5.0));
    }

    #[test]
    fn what_is_missing_makes_no_value() {
        assert_eq!(value("failed + duplicates"), None);
        assert_eq!(value("failed / FILL(duplicates, 0)"), None);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for text in ["SEARCH('x')", "1 +", "(1", "FILL(failed)", "1 ? 2"] {
            assert!(evaluate(text, &|_| None).is_err(), "{text}");
        }
    }
}
