//! The trace that a message belongs to, as [W3C Trace Context](https://www.w3.org/TR/trace-context/) writes it.
//!
//! A CloudEvent carries it in the extensions `traceparent` and `tracestate` ("Distributed Tracing"). One that does not
//! may still have come with it: senders put the two into message attributes of SQS, and AWS's own services put X-Ray's
//! header into the system attribute `AWSTraceHeader`.

/// The trace that a message belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`: the trace, and the span in it that sent the message.
    pub trace_parent: String,
    /// `tracestate`: what the vendors of that trace add.
    pub trace_state: Option<String>,
}

impl TraceContext {
    /// The trace by what surrounds a message: the attributes `traceparent` and `tracestate`, and only else X-Ray's
    /// header. Nothing if none of them is right.
    ///
    /// ```
    /// use throughline_core::internal::trace_context::TraceContext;
    /// let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    /// let around = TraceContext::around_message(Some("no trace"), None, Some(header)).unwrap();
    /// assert_eq!(around.trace_parent, "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
    /// ```
    pub fn around_message(
        trace_parent: Option<&str>,
        trace_state: Option<&str>,
        x_ray_header: Option<&str>,
    ) -> Option<Self> {
        let w3c = trace_parent.filter(|text| is_trace_parent(text)).map(|trace_parent| Self {
            trace_parent: trace_parent.to_owned(),
            trace_state: trace_state.filter(|text| is_trace_state(text)).map(Into::into),
        });
        w3c.or_else(|| Self::from_x_ray(x_ray_header?))
    }

    /// The trace of an
    /// [X-Ray header](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader).
    /// Its trace id is W3C's in three parts. Nothing if it names no segment that could be gone on from.
    ///
    /// ```
    /// use throughline_core::internal::trace_context::TraceContext;
    /// assert_eq!(TraceContext::from_x_ray("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"), None);
    /// ```
    pub fn from_x_ray(header: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = header.split(';').filter_map(|field| field.trim().split_once('='));
            fields
                .find_map(|(other, value)| (other.trim() == name).then(|| value.trim().to_ascii_lowercase()))
        };
        let root = field("Root")?;
        let (seconds, rest) = root.strip_prefix("1-")?.split_once('-')?;
        let is_root = seconds.len() == 8 && rest.len() == 24;
        let flags = if field("Sampled").as_deref() == Some("1") { "01" } else { "00" };
        let trace_parent = format!("00-{seconds}{rest}-{}-{flags}", field("Parent")?);
        (is_root && is_trace_parent(&trace_parent)).then_some(Self { trace_parent, trace_state: None })
    }
}

/// Returns whether the text is a `traceparent` ("traceparent Header"). Later versions only add to version 00, after
/// another dash.
pub fn is_trace_parent(text: &str) -> bool {
    /// `00-` trace id `-` span id `-` flags.
    const LENGTH: usize = 55;
    let bytes = text.as_bytes();
    // To the end, whatever is found: without a way out the compiler looks at many bytes at once.
    let is_hexadecimal =
        |part: &[u8]| part.iter().fold(true, |is_so, byte| is_so & matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8]| is_hexadecimal(part) && part.iter().any(|byte| *byte != b'0');
    let Some((first, more)) = bytes.split_at_checked(LENGTH) else { return false };
    let dashes = [2, 35, 52];
    dashes.iter().all(|at| first[*at] == b'-')
        && is_hexadecimal(&first[..2])
        && is_id(&first[3..35])
        && is_id(&first[36..52])
        && is_hexadecimal(&first[53..])
        && match &first[..2] {
            b"00" => more.is_empty(),
            b"ff" => false,
            _ => more.is_empty() || more[0] == b'-',
        }
}

/// Returns whether the text can be handed on as a `tracestate` ("tracestate Header"): vendors may put anything there
/// that a header's value may hold.
pub fn is_trace_state(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'\t' || matches!(byte, b' '..=b'~'))
}

/// The trace that a `traceparent` names.
pub(crate) fn trace_id(trace_parent: &str) -> &str {
    trace_parent.split('-').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const OF_HEADER: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";

    #[test]
    fn the_w3c_attributes_come_before_the_header_of_x_ray() {
        let around = TraceContext::around_message(Some(PARENT), Some("vendor=1"), Some(HEADER)).unwrap();
        assert_eq!((around.trace_parent.as_str(), around.trace_state.as_deref()), (PARENT, Some("vendor=1")));
        let around = TraceContext::around_message(Some("none"), Some("vendor=1"), Some(HEADER)).unwrap();
        assert_eq!((around.trace_parent.as_str(), around.trace_state), (OF_HEADER, None));
        assert_eq!(TraceContext::around_message(None, Some("vendor=1"), None), None);
        let around = TraceContext::around_message(Some(PARENT), Some("a=\n"), None).unwrap();
        assert_eq!(around.trace_state, None);
    }

    #[test]
    fn a_header_of_x_ray_is_read_however_it_is_written() {
        let not_sampled = OF_HEADER.replace("-01", "-00");
        for (header, expected) in [
            (HEADER, OF_HEADER),
            ("Sampled=1; Parent=53995C3F42CD8AD8; Root=1-5759E988-BD862E3FE1BE46A994272793", OF_HEADER),
            (
                "Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793;\
                 Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5",
                OF_HEADER,
            ),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0", &not_sampled),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?", &not_sampled),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", &not_sampled),
        ] {
            let around = TraceContext::from_x_ray(header).unwrap_or_else(|| panic!("{header}"));
            assert_eq!(around.trace_parent, expected, "{header}");
        }
    }

    #[test]
    fn a_header_of_x_ray_that_names_no_segment_names_nothing() {
        for header in [
            "",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Parent=53995c3f42cd8ad8;Sampled=1",
            "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
            "Root=1-5759e988bd86-2e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000000",
            "Root=1-00000000-000000000000000000000000;Parent=53995c3f42cd8ad8",
            "Root=1-5759e988-bd862e3fe1be46a99427279é;Parent=53995c3f42cd8ad8",
            "1-5759e988-bd862e3fe1be46a994272793",
        ] {
            assert_eq!(TraceContext::from_x_ray(header), None, "{header}");
        }
    }

    #[test]
    fn a_trace_parent_is_what_the_standard_writes() {
        for text in [PARENT, "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09-what-comes-later"] {
            assert!(is_trace_parent(text), "{text}");
            assert_eq!(trace_id(text), "0af7651916cd43dd8448eb211c80319c");
        }
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-x1",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-1",
        ] {
            assert!(!is_trace_parent(text), "{text}");
        }
    }
}
