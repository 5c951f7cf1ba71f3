"""Ask the API of the node to fail: `run.py fault JSON`, called by `python -m lab fault`."""

import json
import sys

from .client import ApiError, post_json


def main(argv: list[str]) -> int:
    """Send one fault, or with an empty object heal them all."""
    try:
        post_json("/lab/fault", json.loads(argv[0]))
    except ApiError as error:
        print(error, file=sys.stderr)
        return error.code
    return 0
