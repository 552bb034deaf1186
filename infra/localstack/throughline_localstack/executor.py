"""Runs functions of LocalStack's Lambda as processes of this machine, not in containers.

LocalStack keeps an executor for each environment: it asks it for one invocation after another, and for several at once
makes several. Whatever becomes of a process, its executor goes on: the next invocation gets a new one.
"""

import logging
import os
import time
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from throughline_localstack.runtime_api import Invocation
from throughline_localstack.sandbox import Sandbox
from throughline_localstack.settings import FUNCTIONS_ENDPOINT

LOG = logging.getLogger(__name__)


class ProcessExecutor(RuntimeExecutor):
    def __init__(self, id: str, function_version: FunctionVersion):
        super().__init__(id, function_version)
        self._environment: dict[str, str] = {}
        self._sandbox: Sandbox | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        self._environment = {name: str(value) for name, value in env_vars.items()}
        # What its owner has set wins, as on AWS.
        own = self.function_version.config.environment or {}
        if "AWS_ENDPOINT_URL" not in own and (endpoint := os.environ.get(FUNCTIONS_ENDPOINT)):
            self._environment["AWS_ENDPOINT_URL"] = endpoint
        self._sandbox = self._started()

    def _started(self) -> Sandbox:
        code = Path(self.function_version.config.code.get_unzipped_code_location())
        sandbox = Sandbox(code, self._environment)
        if trouble := sandbox.start():
            LOG.warning("%s did not start: %s", self.function_version.qualified_arn, sandbox.all_output())
            sandbox.stop()
            raise StatusErrorException("the function did not start", payload=trouble.payload)
        return sandbox

    def stop(self) -> None:
        if self._sandbox:
            self._sandbox.stop()
            self._sandbox = None

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        if not (self._sandbox and self._sandbox.is_alive):
            self.stop()
            self._sandbox = self._started()
        sandbox = self._sandbox
        started, request_id = time.time(), payload["invoke-id"]
        answer = sandbox.invoke(
            Invocation(
                request_id=request_id,
                payload=payload["payload"].encode(),
                function_arn=payload["invoked-function-arn"],
                trace_id=payload["trace-id"],
                deadline=int((started + self.function_version.config.timeout) * 1000),
            )
        )
        logs = self._report(request_id, sandbox.new_output(), time.time() - started)
        return InvocationResult(request_id, answer.payload, is_error=answer.is_error, logs=logs)

    def _report(self, request_id: str, output: str, seconds: float) -> str:
        """What the function wrote, between the lines that Lambda writes about it."""
        memory = self.function_version.config.memory_size
        if output and not output.endswith("\n"):
            output += "\n"
        return (
            f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}\n{output}"
            f"END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {seconds * 1000:.2f} ms\t"
            f"Billed Duration: {int(seconds * 1000) + 1} ms\tMemory Size: {memory} MB\tMax Memory Used: {memory} MB"
        )

    def get_logs(self) -> str:
        return self._sandbox.all_output() if self._sandbox else ""

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Its code goes with LocalStack's folder."""


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *arguments, **named):
        return ProcessExecutor
