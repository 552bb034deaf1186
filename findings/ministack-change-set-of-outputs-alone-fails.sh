#!/usr/bin/env bash
# PyPI ministack 1.5.33: a template that differs in its `Outputs` alone gets no change set, but `update_stack` takes it.
#
# CloudFormation makes an executable change set of a template that adds an output, and one would guess that a local cloud
# answers `create_change_set` and `update_stack` alike, since both compare the same two templates. Here the change set
# ends as FAILED ("didn't contain changes"), and the same template given to `update_stack` is deployed, output and all.
# A tool that deploys by change sets, as `sam deploy` does, takes such a change for none, and whoever reads the new output
# does not find it.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106 botocore==1.43.106
port=${PORT:-24571}
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port AWS_ENDPOINT_URL=http://127.0.0.1:$port python/bin/ministack >server.log 2>&1 &
server=$!
cat >outputs.py <<'PY'
import json, sys, time
import boto3
from botocore.exceptions import BotoCoreError, ClientError

cloud = boto3.client(
    "cloudformation", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1",
    aws_access_key_id="test", aws_secret_access_key="test",
)
queue = {"Q": {"Type": "AWS::SQS::Queue"}}
before = json.dumps({"Resources": queue})
after = json.dumps({"Resources": queue, "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Q", "QueueName"]}}}})

def until(what):
    for _ in range(200):
        try:
            if found := what():
                return found
        except BotoCoreError:
            pass
        time.sleep(0.1)
    sys.exit("it did not happen within 20 s")

def stack():
    return cloud.describe_stacks(StackName="s")["Stacks"][0]

def settled():
    return stack() if stack()["StackStatus"].endswith("_COMPLETE") else None

until(lambda: cloud.list_stacks())
cloud.create_stack(StackName="s", TemplateBody=before)
until(settled)
cloud.create_change_set(StackName="s", ChangeSetName="c", ChangeSetType="UPDATE", TemplateBody=after)
ended = ["CREATE_COMPLETE", "FAILED"]
change_set = lambda: cloud.describe_change_set(StackName="s", ChangeSetName="c")
made = until(lambda: change_set() if change_set()["Status"] in ended else None)
print("change set", made["Status"])
try:
    cloud.update_stack(StackName="s", TemplateBody=after)
    outputs = until(lambda: settled() and stack().get("Outputs"))
    print("update stack", [output["OutputKey"] for output in outputs])
except ClientError as error:
    print("update stack", error.response["Error"]["Message"])
PY
seen=$(python/bin/python outputs.py "$port")
echo "$seen"
[ "$seen" = "change set FAILED
update stack ['Name']" ]
