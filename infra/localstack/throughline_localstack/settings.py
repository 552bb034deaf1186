"""The names of the environment variables that `throughline up` sets."""

# The port on 127.0.0.1 of the DynamoDB to use.
DYNAMODB_PORT = "THROUGHLINE_DYNAMODB_PORT"
# Where functions reach the cloud, if not where everybody does.
FUNCTIONS_ENDPOINT = "THROUGHLINE_FUNCTIONS_ENDPOINT"
