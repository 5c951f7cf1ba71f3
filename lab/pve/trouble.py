"""Ask the API of the node to go wrong: `run.py trouble fault|trouble|heal JSON`, called by `python -m lab`."""

import json
import sys

from .client import ApiError, post_json


def main(argv: list[str]) -> int:
    """Send one request to the API's back door."""
    try:
        post_json(f"/lab/{argv[0]}", json.loads(argv[1]))
    except ApiError as error:
        print(error, file=sys.stderr)
        return error.code
    return 0
