"""AWS's command line, once started for many calls: it takes half a second of processor time to start.

Reads a call a line, a list of arguments in JSON; answers each with its exit status and what it said.
"""

import contextlib
import io
import json
import sys

from awscli.clidriver import create_clidriver

answers = sys.stdout
driver = create_clidriver()
for line in sys.stdin:
    # It writes bytes past the text in places.
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    errors = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        try:
            status = driver.main(json.loads(line))
        except SystemExit as ended:
            status = ended.code
    texts = [each.buffer.getvalue().decode() for each in (said, errors)]
    print(json.dumps({"status": status or 0, "said": texts[0], "errors": texts[1]}), file=answers, flush=True)
