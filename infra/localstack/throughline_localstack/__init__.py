"""What LocalStack 4.14 needs to run the shop without Docker.

As it is published, LocalStack downloads Java, DynamoDB Local and container images at first use. In their place stand
here: processes for functions (`executor`), a DynamoDB beside it (`dynamodb`), a clock for schedules (`schedules`). What
LocalStack does otherwise than AWS, and the shop depends on, is mended: `queues`, `replays`, `step_functions`.
"""
