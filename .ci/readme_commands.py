"""Prints the commands of a Markdown file's first fenced block, one a line, without prompts."""

import re
import sys
from pathlib import Path

block = re.search(r"^```\w*\n(.*?)^```", Path(sys.argv[1]).read_text(), re.DOTALL | re.MULTILINE)
if block is None:
    sys.exit(f"{sys.argv[1]} has no fenced block")
for line in block[1].splitlines():
    command = line.removeprefix("$ ").strip()
    if command and not command.startswith("#"):
        print(command)
