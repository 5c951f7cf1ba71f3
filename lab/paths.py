"""Where the lab keeps its things: nothing is written outside these three directories."""

from pathlib import Path

CACHE = Path("/var/cache/psw-lab")  # images and templates; shared by all labs, kept by `down`
STATE = Path("/var/lib/psw-lab")  # one directory per lab; gone after `down`
RUN = Path("/run/psw-lab")  # sockets, locks and the pinned mount namespace; gone after the last `down`
DATA = Path(__file__).parent  # the lab's own files
