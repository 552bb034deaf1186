"""Makes LocalStack speak to the DynamoDB beside it (dynoxide) instead of DynamoDB Local, which needs Java.

LocalStack's second implementation of DynamoDB leaves tables and streams to DynamoDB Local, and its event source
mapping polls those streams: filters, partial failures and retries are LocalStack's own. Only names differ: DynamoDB
Local says `ddblocal` where ARNs have a region, dynoxide says `dynoxide`, and its shard iterators hold no ARN.
"""

import re

REGION = "dynoxide"
ACCOUNT = "000000000000"

_ARN = rf"arn:[a-z-]+:dynamodb:{REGION}:{ACCOUNT}:"
_NAMED_ARN = re.compile(
    rf'("TableArn"|"LatestStreamArn"|"StreamArn"|"IndexArn")\s*:\s*"{_ARN}([^"]+)"'
)
_ANY_ARN = re.compile(rf'{_ARN}([^"]+)')


def use_the_one_beside_us(port: int):
    """Must run before LocalStack loads DynamoDB."""
    from localstack import config
    from localstack.services.dynamodb import utils
    from localstack.services.dynamodb.server import DynamodbServer
    from localstack.services.dynamodb.v2.provider import DynamoDBProvider
    from localstack.services.dynamodbstreams.v2.provider import DynamoDBStreamsProvider

    config.DYNAMODB_LOCAL_PORT = port
    # It runs already, and does not stop with a service.
    DynamodbServer.start_dynamodb = lambda self: True
    DynamodbServer.stop_dynamodb = lambda self: None

    utils._ddb_local_arn_pattern = _NAMED_ARN
    utils._ddb_local_exception_arn_pattern = _ANY_ARN
    DynamoDBProvider.fix_table_arn = lambda self, account_id, region_name, arn: with_region(arn, account_id, region_name)
    # dynoxide reads the table's name from an ARN and nothing else.
    DynamoDBStreamsProvider.modify_stream_arn_for_ddb_local = lambda self, stream_arn: stream_arn

    # LocalStack only writes down what is to expire; dynoxide lets it.
    DynamoDBProvider.update_time_to_live = _passed_on
    DynamoDBProvider.describe_time_to_live = _passed_on


def with_region(arn: str, account_id: str, region_name: str) -> str:
    """An ARN of dynoxide's as one of AWS."""
    return arn.replace(f":{REGION}:", f":{region_name}:").replace(f":{ACCOUNT}:", f":{account_id}:")


def _passed_on(self, context, *arguments, **named):
    return self.forward_request(context)
