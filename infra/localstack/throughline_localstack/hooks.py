"""What LocalStack calls when it starts and stops."""

import os

from localstack.runtime import hooks

from throughline_localstack.settings import DYNAMODB_PORT


def _is_ours() -> bool:
    """Whether `throughline up` started this LocalStack: installing the package changes nothing by itself."""
    return DYNAMODB_PORT in os.environ


@hooks.on_infra_start(should_load=_is_ours)
def mend():
    """Puts in place what is missing without Docker. Runs before any service is loaded."""
    from throughline_localstack import dynamodb, queues, replays, schedules, step_functions

    dynamodb.use_the_one_beside_us(int(os.environ[DYNAMODB_PORT]))
    queues.mend()
    replays.mend()
    step_functions.mend()
    schedules.start()


@hooks.on_infra_shutdown(should_load=_is_ours)
def stop():
    """Stops what `mend` started."""
    from throughline_localstack import schedules

    schedules.stop()
