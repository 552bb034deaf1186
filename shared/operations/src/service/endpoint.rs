//! The endpoint of a service, found as the SDK's own clients find it.

use super::Model;
use aws_config::{Region, SdkConfig};
use aws_sdk_scheduler::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_types::service_config::ServiceConfigKey;

/// The service whose addresses have no exceptions. Its client knows the regions' domains, and the others' addresses
/// differ from its in their first word.
const KNOWN: &str = "scheduler";

/// A service's address: the one that is configured for it or for all, or else that of the region.
///
/// # Errors
/// Why there is none.
pub(super) fn of(config: &SdkConfig, model: &Model, region: &Region) -> Result<String, String> {
    if let Some(endpoint) = configured(config, model) {
        return Ok(endpoint);
    }
    let [fips, dual_stack] =
        [config.use_fips(), config.use_dual_stack()].map(|setting| setting.unwrap_or(false));
    // "Use FIPS endpoints": in these regions each of these services has one address, which is in keeping with them.
    let is_always_fips = region.as_ref().starts_with("us-gov-") && !dual_stack;
    of_region(model.endpoint_prefix, region, fips && !is_always_fips, dual_stack)
}

/// Returns the endpoint that is configured for a service, as the SDK's clients read it: the program's, then the service's
/// own setting, then the one for all.
fn configured(config: &SdkConfig, model: &Model) -> Option<String> {
    let for_all = || config.endpoint_url().map(ToOwned::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return for_all();
    }
    let key = ServiceConfigKey::builder()
        .service_id(model.id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    config.service_config().and_then(|settings| settings.load_config(key)).or_else(for_all)
}

fn of_region(prefix: &str, region: &Region, fips: bool, dual_stack: bool) -> Result<String, String> {
    let parameters = Params::builder()
        .region(region.to_string())
        .use_fips(fips)
        .use_dual_stack(dual_stack)
        .build()
        .map_err(|error| error.to_string())?;
    // The resolver has its answer at once: the future is there for resolvers that must ask somebody.
    let known = futures_util::FutureExt::now_or_never(DefaultResolver::new().resolve_endpoint(&parameters));
    let known = known.ok_or("the region's address is not known yet")?.map_err(|error| error.to_string())?;
    let rest = known.url().strip_prefix("https://").and_then(|url| url.strip_prefix(KNOWN));
    let rest =
        rest.ok_or_else(|| format!("the region's address is {}, which is not understood", known.url()))?;
    Ok(format!("https://{prefix}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_where_its_region_s_domain_says() {
        let of = |prefix: &str, region: &'static str, fips, dual_stack| {
            of_region(prefix, &Region::new(region), fips, dual_stack).unwrap()
        };
        assert_eq!(of("logs", "eu-west-1", false, false), "https://logs.eu-west-1.amazonaws.com");
        assert_eq!(of("logs", "us-east-1", true, false), "https://logs-fips.us-east-1.amazonaws.com");
        assert_eq!(of("logs", "eu-west-1", false, true), "https://logs.eu-west-1.api.aws");
        assert_eq!(
            of("monitoring", "cn-north-1", false, false),
            "https://monitoring.cn-north-1.amazonaws.com.cn"
        );
        assert_eq!(
            of("cloudformation", "us-iso-east-1", false, false),
            "https://cloudformation.us-iso-east-1.c2s.ic.gov"
        );
    }

    #[test]
    fn a_government_region_has_one_address_with_fips_and_without() {
        let model = Model {
            id: "CloudWatch Logs",
            endpoint_prefix: "logs",
            protocol: super::super::Protocol::Json { target: "", media_type: "" },
        };
        let region = Region::new("us-gov-west-1");
        for fips in [false, true] {
            let config = SdkConfig::builder().use_fips(fips).build();
            let endpoint = of(&config, &model, &region).unwrap();
            assert_eq!(endpoint, "https://logs.us-gov-west-1.amazonaws.com");
        }
    }
}
