//! Throughline's adapters to AWS: the DynamoDB ledger, EventBridge and SQS.
