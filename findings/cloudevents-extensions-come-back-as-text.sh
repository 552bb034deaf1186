#!/usr/bin/env bash
# PyPI cloudevents 2.2.0 and npm cloudevents 10.0.0: an integer or boolean extension that crosses HTTP in binary mode is
# a JSON string when the event is written in structured mode afterwards.
#
# One would guess that an event keeps its types: the type system of CloudEvents has Integer and Boolean, and both SDKs
# write them as JSON numbers and booleans before the hop. Headers have no types, and neither SDK restores any. So
# `"schemaversion": 1` arrives as `"schemaversion": "1"` behind any gateway that uses binary mode, and a reader whose
# extension is a number must take the text of one, too. Python's SDK even writes the header `True`, where the standard's
# canonical text of a boolean is `true`: a reader that knows the standard's spelling alone takes it for some other text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check cloudevents==2.2.0
cat >hop.py <<'PY'
import json
from cloudevents.core.bindings.http import from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

attributes = {"id": "e-1", "source": "/shop", "type": "t", "datacontenttype": "application/json", "schemaversion": 1, "urgent": True}
event = CloudEvent(attributes=attributes, data={"n": 1})
for name, event in [("before", event), ("after", from_http_event(to_binary_event(event)))]:
    written = json.loads(to_structured_event(event).body)
    print("python", name, json.dumps([written["schemaversion"], written["urgent"]]), written["datacontenttype"])
PY
npm init --yes >npm.log
npm install --silent --no-audit --no-fund cloudevents@10.0.0 >>npm.log
cat >hop.js <<'JS'
const { CloudEvent, HTTP } = require("cloudevents");
const event = new CloudEvent({
  id: "e-1", source: "/shop", type: "t", datacontenttype: "application/json", schemaversion: 1, urgent: true, data: { n: 1 },
});
const { headers, body } = HTTP.binary(event);
// A wire knows texts alone.
const received = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
for (const [name, seen] of [["before", event], ["after", HTTP.toEvent({ headers: received, body })]]) {
  const written = JSON.parse(HTTP.structured(seen).body);
  console.log("javascript", name, JSON.stringify([written.schemaversion, written.urgent]), written.datacontenttype);
}
JS
seen=$(python/bin/python hop.py && node hop.js)
echo "$seen"
[ "$seen" = 'python before [1, true] application/json
python after ["1", "True"] application/json
javascript before [1,true] application/json
javascript after ["1","true"] application/json' ]
