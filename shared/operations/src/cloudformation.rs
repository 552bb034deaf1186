//! CloudFormation's descriptions of stacks.

use super::{
    OperateError,
    service::{Model, Protocol, Request, Service, ServiceError, Shape, Token, items},
};
use serde_json::{Value, json};
use throughline_aws::Clients;

static CLOUDFORMATION: Model = Model {
    id: "CloudFormation",
    endpoint_prefix: "cloudformation",
    protocol: Protocol::Query { version: "2010-05-15", shape: &SHAPE },
};

static SHAPE: Shape = Shape {
    lists: &["Stacks", "Outputs", "StackResourceSummaries"],
    texts: &[
        "LogicalResourceId",
        "NextToken",
        "OutputKey",
        "OutputValue",
        "PhysicalResourceId",
        "ResourceStatus",
        "ResourceType",
        "StackName",
        "StackStatus",
    ],
};

/// CloudFormation.
#[derive(Debug, Clone)]
pub struct CloudFormation {
    service: Service,
}

impl CloudFormation {
    /// The one that these clients' configuration reaches.
    ///
    /// # Errors
    /// If it says no region, or holds no credentials.
    pub async fn of(clients: &Clients) -> Result<Self, OperateError> {
        Ok(Self { service: Service::new(clients.config().await, &CLOUDFORMATION)? })
    }

    /// Returns the stack of this name, or all stacks, as AWS's command line shows them, all pages in one: an object with
    /// `Stacks`, whose items have `StackName`, `StackStatus` and `Outputs`. Nothing, if there is no stack of this name.
    ///
    /// # Errors
    /// If CloudFormation cannot be asked.
    pub async fn stacks(&self, name: Option<&str>) -> Result<Option<Value>, OperateError> {
        let parameters = name.map_or_else(|| json!({}), |name| json!({ "StackName": name }));
        let request = Request { operation: "DescribeStacks", parameters };
        self.list(request, "Stacks").await
    }

    /// Returns a stack's resources, as AWS's command line shows them, all pages in one: an object with
    /// `StackResourceSummaries`, whose items have `LogicalResourceId`, `PhysicalResourceId`, `ResourceType` and
    /// `ResourceStatus`. Nothing, if there is no stack of this name.
    ///
    /// # Errors
    /// If CloudFormation cannot be asked.
    pub async fn resources(&self, stack: &str) -> Result<Option<Value>, OperateError> {
        let request = Request { operation: "ListStackResources", parameters: json!({ "StackName": stack }) };
        self.list(request, "StackResourceSummaries").await
    }

    async fn list(&self, request: Request, list: &str) -> Result<Option<Value>, OperateError> {
        match self.service.pages(request, Token("NextToken")).await {
            Ok(pages) => Ok(Some(json!({ list: items(pages, list) }))),
            Err(error) if says_no_stack(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// CloudFormation has no error of its own for it.
fn says_no_stack(error: &ServiceError) -> bool {
    error.code.as_deref() == Some("ValidationError") && error.reason.contains("does not exist")
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_aws::testing::Fake;

    async fn cloudformation(fake: &Fake) -> CloudFormation {
        CloudFormation::of(&Clients::from_config(fake.config())).await.unwrap()
    }

    fn described(members: &str) -> String {
        format!(
            "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\n\
             <DescribeStacksResult>{members}</DescribeStacksResult>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeStacksResponse>"
        )
    }

    fn refused(code: &str, message: &str) -> String {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             </ErrorResponse>"
        )
    }

    #[tokio::test]
    async fn a_stack_is_read_as_the_command_line_shows_it() {
        let stack = described(
            "<Stacks><member><StackName>shop</StackName><StackStatus>CREATE_COMPLETE</StackStatus>\
             <Capabilities><member>CAPABILITY_IAM</member></Capabilities><Outputs>\
             <member><OutputKey>Url</OutputKey><OutputValue>https://a/?b=1&amp;c=2</OutputValue></member>\
             <member><OutputKey>Empty</OutputKey><OutputValue/></member></Outputs></member></Stacks>",
        );
        let fake = Fake::of_texts([(200, stack)]);
        let stacks = cloudformation(&fake).await.stacks(Some("shop & Co")).await.unwrap();
        assert_eq!(
            stacks,
            Some(json!({ "Stacks": [{
                "StackName": "shop", "StackStatus": "CREATE_COMPLETE", "Outputs": [
                    { "OutputKey": "Url", "OutputValue": "https://a/?b=1&c=2" },
                    { "OutputKey": "Empty", "OutputValue": "" },
                ],
            }] }))
        );
        assert_eq!(fake.texts(), ["Action=DescribeStacks&Version=2010-05-15&StackName=shop%20%26%20Co"]);
    }

    #[tokio::test]
    async fn all_pages_of_all_stacks_are_read() {
        let page = |name: &str, next: &str| {
            described(&format!("<Stacks><member><StackName>{name}</StackName></member></Stacks>{next}"))
        };
        let fake = Fake::of_texts([
            (200, page("a", "<NextToken>2</NextToken>")),
            (200, page("b", "<NextToken></NextToken>")),
        ]);
        let stacks = cloudformation(&fake).await.stacks(None).await.unwrap().unwrap();
        assert_eq!(stacks, json!({ "Stacks": [{ "StackName": "a" }, { "StackName": "b" }] }));
        assert!(fake.texts()[1].ends_with("&NextToken=2"), "{:?}", fake.texts());
    }

    #[tokio::test]
    async fn no_stack_is_nothing_and_any_other_refusal_is_an_error() {
        let no_stack = "Stack with id shop does not exist";
        let fake = Fake::of_texts([
            (400, refused("ValidationError", no_stack)),
            (400, refused("ValidationError", no_stack)),
            (403, refused("AccessDenied", "not authorized")),
        ]);
        let cloudformation = cloudformation(&fake).await;
        assert_eq!(cloudformation.stacks(Some("shop")).await, Ok(None));
        assert_eq!(cloudformation.resources("shop").await, Ok(None));
        let said = cloudformation.resources("shop").await.unwrap_err().to_string();
        assert_eq!(said, "CloudFormation cannot be asked: AccessDenied: not authorized");
    }

    #[tokio::test]
    async fn what_is_no_answer_of_cloudformation_s_is_an_error_that_shows_its_beginning() {
        let fake = Fake::of_texts([(200, "<html>Welcome</html>".to_owned()), (200, "hello".to_owned())]);
        let cloudformation = cloudformation(&fake).await;
        for shown in ["`<html>Welcome</html>`", "`hello`"] {
            let said = cloudformation.stacks(None).await.unwrap_err().to_string();
            assert!(said.contains("the answer cannot be read") && said.contains(shown), "{said}");
        }
    }
}
