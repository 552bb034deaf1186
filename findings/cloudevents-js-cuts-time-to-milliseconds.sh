#!/usr/bin/env bash
# npm cloudevents 10.0.0: `time` loses everything below a millisecond, even where it was given as text.
#
# One would guess that an attribute given as RFC 3339 text is passed on as it is: CloudEvents sets no limit to the digits
# of a second, and Go's and Python's SDKs keep what they are given. The JavaScript SDK makes a Date of it and writes that.
# It matters to whoever sorts events by time, compares a forwarded event with its original, or hashes the envelope:
# an event that crossed a Node program is not the same any more. A hash must leave `time` out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --silent --no-audit --no-fund cloudevents@10.0.0 >>npm.log
cat >cut.js <<'JS'
const { CloudEvent, HTTP } = require("cloudevents");
const given = "2026-01-05T09:30:01.123456Z";
const event = new CloudEvent({ id: "e-1", source: "/shop", type: "order.placed", time: given, data: { n: 1 } });
console.log(JSON.parse(HTTP.structured(event).body).time);
JS
seen=$(node cut.js)
echo "given 2026-01-05T09:30:01.123456Z, written $seen"
[ "$seen" = "2026-01-05T09:30:01.123Z" ]
