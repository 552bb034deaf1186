#!/usr/bin/env bash
# npm cloudevents 10.0.0: an empty Buffer as data is written as `data_base64` and as `data` at once.
#
# The JSON format has one or the other: "data" or "data_base64", never both (CloudEvents JSON format 1.0.2, section 3.1).
# A Buffer with bytes in it is written right; the empty one, whose base64 text is the empty, falsy string, is written as
# `"data_base64":""` and again as JavaScript's own form of a Buffer. A strict reader refuses the event, a lenient one that
# looks at `data` first takes {"type":"Buffer","data":[]} for what the sender said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --silent --no-audit --no-fund cloudevents@10.0.0 >>npm.log
cat >empty.js <<'JS'
const { CloudEvent, HTTP } = require("cloudevents");
for (const data of [Buffer.from([1]), Buffer.alloc(0)]) {
  const event = new CloudEvent({ id: "e-1", source: "/shop", type: "t", datacontenttype: "application/octet-stream", data });
  const written = JSON.parse(HTTP.structured(event).body);
  console.log(data.length, JSON.stringify({ data_base64: written.data_base64, data: written.data }));
}
JS
seen=$(node empty.js)
echo "$seen"
[ "$seen" = '1 {"data_base64":"AQ=="}
0 {"data_base64":"","data":{"type":"Buffer","data":[]}}' ]
