"""Mends what LocalStack 4.14's Step Functions does otherwise than AWS with tasks that wait for an answer."""


def mend():
    _let_an_answer_say_that_time_is_up()
    _refuse_an_answer_that_comes_too_late_as_aws_does()
    _wake_what_waits_in_an_execution_that_is_stopped()


def _let_an_answer_say_that_time_is_up():
    """A failure under a name of AWS's own, such as States.Timeout, fails the execution here: it is caught there."""
    from localstack.services.stepfunctions.asl.component.common.error_name.custom_error_name import CustomErrorName
    from localstack.services.stepfunctions.asl.component.common.error_name.error_name import ErrorName
    from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (
        state_task_service_callback,
    )

    def error_name(error_name: str | None) -> ErrorName:
        own = (error_name or "").startswith("States.")
        return ErrorName(error_name) if own else CustomErrorName(error_name)

    state_task_service_callback.CustomErrorName = error_name


def _refuse_an_answer_that_comes_too_late_as_aws_does():
    """Once its execution has ended, a token is invalid here. There it is a task that has timed out.

    A failure without a cause has the cause `null` here, which is no text.
    """
    from localstack.aws.api.stepfunctions import InvalidToken, TaskTimedOut
    from localstack.services.stepfunctions.provider import StepFunctionsProvider

    def as_aws_does(answer, name):
        def answer_or_refuse(self, context, task_token, **named):
            if name == "send_task_failure":
                named["cause"] = named.get("cause") or ""
            try:
                return answer(self, context, task_token=task_token, **named)
            except InvalidToken:
                executions = self.get_store(context).executions.values()
                if any(waited_for(execution, task_token) for execution in executions):
                    raise TaskTimedOut("the execution has ended") from None
                raise

        return answer_or_refuse

    for name in ("send_task_success", "send_task_failure"):
        setattr(StepFunctionsProvider, name, as_aws_does(getattr(StepFunctionsProvider, name), name))


def waited_for(execution, task_token: str) -> bool:
    """Whether a task of an execution has ever waited under this token."""
    environment = getattr(execution.exec_worker, "env", None)
    return environment is not None and environment.callback_pool_manager.get(task_token) is not None


def _wake_what_waits_in_an_execution_that_is_stopped():
    """Otherwise a task waits on, for hours, and nobody is told that the execution was aborted."""
    from localstack.services.stepfunctions.asl.eval.environment import Environment
    from localstack.services.stepfunctions.asl.eval.program_state import ProgramStopped
    from localstack.services.stepfunctions.backend.execution import Execution

    stop, set_error = Execution.stop, Environment.set_error

    def set_error_unless_stopped(self, error):
        # What is woken takes that for an error of its own.
        if not isinstance(self.program_state(), ProgramStopped):
            set_error(self, error)

    def stop_and_wake(self, *arguments, **named):
        stop(self, *arguments, **named)
        if environment := getattr(self.exec_worker, "env", None):
            for endpoint in list(environment.callback_pool_manager._pool.values()):
                endpoint.interrupt_all()

    Execution.stop = stop_and_wake
    Environment.set_error = set_error_unless_stopped
