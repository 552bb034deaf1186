#!/usr/bin/env bash
# PyPI cloudevents 2.2.0: with the content type `Application/JSON` a dictionary is written as Python's repr of it.
#
# Media types are compared without regard to case (RFC 9110, section 8.3.1), so one would guess that `Application/JSON`
# is JSON like `application/json`. The SDK compares the text, takes the data for something that is no JSON, and writes
# str(data): a JSON string that holds single quotes, True and None. Nothing fails at the sender; the receiver, which reads
# the content type as the RFC says, finds a string where an object should be. The cure is at the sender: lower case.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check cloudevents==2.2.0
cat >written.py <<'PY'
import json
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent

for content_type in ["application/json", "Application/JSON"]:
    attributes = {"id": "e-1", "source": "/shop", "type": "t", "datacontenttype": content_type}
    event = CloudEvent(attributes=attributes, data={"paid": True, "note": None})
    print(content_type, json.dumps(json.loads(to_structured_event(event).body)["data"]))
PY
seen=$(python/bin/python written.py)
echo "$seen"
[ "$seen" = "application/json {\"paid\": true, \"note\": null}
Application/JSON \"{'paid': True, 'note': None}\"" ]
