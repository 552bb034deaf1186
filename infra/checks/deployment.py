"""Whether infra/deploy-policy.json allows what a deployment needs, and nothing else.

What each type of resource needs of whoever creates, changes and deletes it is told by CloudFormation's registry, in the
`handlers` of the type's schema, which cfn-lint brings along.

Usage: deployment.py TRANSFORMED_TEMPLATE POLICY. Prints every problem; exits 1 if there is any.
"""

import importlib.resources
import json
import sys
from pathlib import Path

# The calls that `throughline deploy` makes itself: see shared/cli/src/commands/deploy.
OWN_CALLS = {
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
    "lambda:GetFunctionConfiguration",
    "lambda:UpdateFunctionCode",
    "s3:CreateBucket",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "sts:GetCallerIdentity",
    # `cargo lambda deploy` looks at the function first, and publishes a version of the new code.
    "lambda:GetFunction",
    "lambda:PublishVersion",
}

# What a type's schema asks for and this template does not use, by action or by the service.
NOT_USED = {
    "ec2": "no function is in a VPC",
    "elasticfilesystem": "no function mounts a file system",
    "firehose": "no log group is delivered",
    "kinesis": "no table streams to Kinesis",
    "kms": "AWS's own keys encrypt",
    "s3files": "no function mounts a file system",
    "s3:REST.PUT.OBJECT": "no log group is delivered",
    "s3:GetObjectMetadata": "no table is imported",
    "s3:GetObjectVersion": "the bucket of the code keeps no versions",
    "iam:CreateServiceLinkedRole": "no table is replicated",
    "dynamodb:AssociateTableReplica": "no table is replicated",
    "dynamodb:BatchWriteItem": "no table is imported",
    "dynamodb:CreateTableReplica": "no table is replicated",
    "dynamodb:DeleteItem": "no table is imported",
    "dynamodb:DeleteResourcePolicy": "no table has a policy of its own",
    "dynamodb:DescribeImport": "no table is imported",
    "dynamodb:DisableKinesisStreamingDestination": "no table streams to Kinesis",
    "dynamodb:EnableKinesisStreamingDestination": "no table streams to Kinesis",
    "dynamodb:GetItem": "no table is imported",
    "dynamodb:ImportTable": "no table is imported",
    "dynamodb:PutItem": "no table is imported",
    "dynamodb:PutResourcePolicy": "no table has a policy of its own",
    "dynamodb:Query": "no table is imported",
    "dynamodb:Scan": "no table is imported",
    "dynamodb:UpdateContributorInsights": "no table has contributor insights",
    "dynamodb:UpdateItem": "no table is imported",
    "dynamodb:UpdateKinesisStreamingDestination": "no table streams to Kinesis",
    "iam:AttachRolePolicy": "no role has a managed policy",
    "iam:DetachRolePolicy": "no role has a managed policy",
    "iam:DeleteRolePermissionsBoundary": "no role has a boundary",
    "iam:PutRolePermissionsBoundary": "no role has a boundary",
    "lambda:AssociateRuntimeAlias": "runtimes are updated by AWS",
    "lambda:DeleteFunctionCodeSigningConfig": "no code is signed",
    "lambda:DeleteFunctionConcurrency": "no function has a concurrency of its own",
    "lambda:GetCodeSigningConfig": "no code is signed",
    "lambda:GetLayerVersion": "no function has a layer",
    "lambda:PassCapacityProvider": "no function has a capacity provider",
    "lambda:PutFunctionCodeSigningConfig": "no code is signed",
    "lambda:PutFunctionConcurrency": "no function has a concurrency of its own",
    "lambda:PutFunctionRecursionConfig": "no function may call itself",
    "lambda:PutFunctionScalingConfig": "no function has a capacity provider",
    "lambda:PutRuntimeManagementConfig": "runtimes are updated by AWS",
    "logs:AssociateKmsKey": "AWS's own keys encrypt",
    "logs:CreateLogDelivery": "no log group is delivered",
    "logs:CreateLogStream": "no table is imported",
    "logs:DeleteDataProtectionPolicy": "no log group has a policy of its own",
    "logs:DeleteIndexPolicy": "no log group has an index",
    "logs:DeleteResourcePolicy": "no log group has a policy of its own",
    "logs:DescribeLogStreams": "no table is imported",
    "logs:DisassociateKmsKey": "AWS's own keys encrypt",
    "logs:PutBearerTokenAuthentication": "no log group takes tokens",
    "logs:PutDataProtectionPolicy": "no log group has a policy of its own",
    "logs:PutIndexPolicy": "no log group has an index",
    "logs:PutLogEvents": "no table is imported",
    "logs:PutLogGroupDeletionProtection": "no log group is protected",
    "logs:PutResourcePolicy": "no log group has a policy of its own",
    "sns:PutDataProtectionPolicy": "no topic has a policy for its data",
}

# These act on no one resource, or on one whose name nobody chooses.
ON_EVERYTHING = {
    "lambda:CreateEventSourceMapping",
    "lambda:DeleteEventSourceMapping",
    "lambda:GetEventSourceMapping",
    "lambda:UpdateEventSourceMapping",
    "logs:DeleteQueryDefinition",
    "logs:DescribeLogGroups",
    "logs:DescribeQueryDefinitions",
    "logs:DescribeResourcePolicies",
    "logs:PutQueryDefinition",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
    "sts:GetCallerIdentity",
}


def schemas(kinds):
    """The registry's schema of each of these types, in one region: they hardly differ."""
    found = {}
    for file in importlib.resources.files("cfnlint.data.schemas.resources").iterdir():
        text = file.read_text() if file.name.endswith(".json") else ""
        if any(kind in text for kind in kinds):
            schema = json.loads(text)
            if schema["typeName"] in kinds:
                found.setdefault(schema["typeName"], []).append(schema)
    return found


def needed(kinds):
    """The actions that each type needs: all that any edition of its schema lists, but for what is not used."""
    by_kind = {}
    for kind, editions in schemas(kinds).items():
        actions = {
            action
            for edition in editions
            for operation, handler in edition.get("handlers", {}).items()
            if operation != "list"
            for action in handler.get("permissions", [])
        }
        by_kind[kind] = {action for action in actions if not is_unused(kind, action)}
    return by_kind


def is_unused(kind, action):
    """A service that is not used is, where one of its own resources is in the template."""
    service = action.partition(":")[0]
    return action in NOT_USED or (service in NOT_USED and service != kind.split("::")[1].lower())


def listed(value):
    return value if isinstance(value, list) else [value]


def problems(template, policy):
    """Every sentence."""
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    by_kind = needed(kinds)
    allowed = {
        action
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }
    for kind in sorted(kinds - by_kind.keys()):
        yield f"{kind}: CloudFormation's registry does not say what it needs; renew cfn-lint"
    for kind, actions in sorted(by_kind.items()):
        for action in sorted(actions - allowed):
            yield f"{kind}: who deploys needs {action}; allow it in infra/deploy-policy.json, or add why not to NOT_USED"
    for action in sorted(OWN_CALLS - allowed):
        yield f"throughline deploy: it calls {action}; allow it in infra/deploy-policy.json"
    for action in sorted(allowed - OWN_CALLS - set().union(*by_kind.values())):
        yield f"infra/deploy-policy.json: nothing in the template needs {action}; take it out"
    yield from sorted(wide(policy))


def wide(policy):
    """Statements that are on more than the stack's own."""
    for statement in policy["Statement"]:
        name = statement["Sid"]
        for action in listed(statement["Action"]):
            if "*" in action:
                yield f"{name}: {action} allows more than is known; name each action"
            if "*" in listed(statement["Resource"]) and action not in ON_EVERYTHING:
                yield f"{name}: {action} is allowed on everything; name the stack's own resources"
            if action == "iam:PassRole" and "iam:PassedToService" not in json.dumps(statement.get("Condition", {})):
                yield f"{name}: a role may be passed to any service; add the Condition iam:PassedToService"


def main():
    template, policy = (json.loads(Path(path).read_text()) for path in sys.argv[1:3])
    found = list(problems(template, policy))
    for problem in found:
        print(problem, file=sys.stderr)
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    print(f"{len(kinds)} types of resources, {len(policy['Statement'])} statements; problems: {len(found)}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
