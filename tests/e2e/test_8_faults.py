# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on a node while a target is made or changed: one message, nothing half-made, and the next run completes.

One small target on a node of its own: what is inside a target does not matter here. Which pools and storages will do for models is in
test_6_storage. By default one run completes after all that kept the target from being made; with PSW_FULL=1 one does after each.
"""

import json
import os
import re

import pytest

from lab import trouble
from lab.lab import down, up
from lab.project import LabProject
from lab.state import NODE

from .conftest import NAME, Machines

pytestmark = pytest.mark.e2e
FULL = bool(os.environ.get("PSW_FULL"))
LAB = f"{NAME}-faults"
TEMPLATE = "debian-13-standard_13.1-2_amd64.tar.zst"
CREATE, START, CONFIG = "/nodes/{node}/lxc", "/nodes/{node}/lxc/{vmid}/status/start", "/nodes/{node}/lxc/{vmid}/config"
BUSY = "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"
ONLY_NFS = "pvesm set local-lvm --content images; pvesm add nfs nas --server 192.0.2.5 --export /srv --content images"
NO_LONGER = "pvesm remove nas; pvesm set local-lvm --content images,rootdir"


class Home:
    """A house with one small target, and what its node looks like."""

    def __init__(self, project):
        self.project = project
        self.shell = Machines(project).node

    def state(self):
        """Return all that a run might leave: containers with their settings and locks, datasets, storages, templates."""
        guests = "pct list; head -n 99 /etc/pve/lxc/*.conf; ls /var/lib/lxc"
        places = "zfs list -H -o name; pvesm status | awk '{print $1, $3}'; pveam list local"
        return self.shell(f"({guests}; {places}) 2>/dev/null; true").stdout

    def wish(self, **sections):
        """Say something in psw.yml, in place of what was said of it."""
        file = self.project.path / "psw.yml"
        kept = [line for line in file.read_text(encoding="utf-8").splitlines() if line.partition(":")[0] not in sections]
        file.write_text("\n".join([*kept, *(f"{name}: {json.dumps(said)}" for name, said in sections.items()), ""]), encoding="utf-8")

    def converge(self, *options):
        """Converge up to the targets; return the exit code and what psw said at the end."""
        done = self.project.run("deploy", "converge", "--tags", "targets", *options, check=False)
        return done.returncode, done.stdout if "--json" in options else re.sub(r"(?s)^.*?(?=^(error|refused): )", "", done.stderr, flags=re.MULTILINE)

    def refuses(self, code, *words, check=True):
        """Converge, and find one refusal with these words, in check mode and for programs too, while all stays as it is."""
        before = self.state()
        status, text = self.converge(*(["--check"] if check else []))
        assert (status, text.partition(":")[0], [word for word in words if text.count(word) != 1]) == (3, "refused", []), text
        status, answer = self.converge("--json")
        assert (status, json.loads(answer)["refusal"]["code"]) == (3, code)
        assert self.state() == before

    def fails(self, *words):
        """Converge, and find one failure with these words."""
        status, text = self.converge()
        assert (status, text.partition(":")[0], [word for word in words if text.count(word) != 1]) == (1, "error", []), text

    def heal(self):
        trouble.heal(self.project.lab)

    def completes(self):
        """Converge without a trouble: there is the one target, and nobody holds it."""
        status, text = self.converge()
        assert status == 0, text
        assert self.shell("pct list | awk 'NR > 1 {print $NF, $2, NF}'").stdout == "psw-core running 3\n"  # a lock would be a fourth word


@pytest.fixture(scope="module")
def house():
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    down(LAB)  # what a killed run may have left
    project = LabProject(up(LAB, "rx_7900_xtx", upstream_images=True))  # no image is pulled here
    project.make("postgres")
    yield Home(project)
    if not os.environ.get("PSW_KEEP_LAB"):
        down(LAB)


@pytest.fixture
def home(house):
    """The house without troubles."""
    house.heal()
    yield house
    house.heal()


@pytest.fixture
def bare(home):
    """The house without a target, and with a template."""
    home.shell("for vmid in $(pct list | awk 'NR > 1 {print $1}'); do pct stop $vmid; pct destroy $vmid; done 2>/dev/null; true")
    home.shell(f"pveam list local | grep -q {TEMPLATE} || pveam download local {TEMPLATE}")
    home.wish(targets={})
    return home


@pytest.mark.parametrize(
    ("cause", "code", "words"),
    [
        ({"kind": "stranger", "vmid": 777, "hostname": "theirs"}, "not_ours", ["container 777 (theirs) is not tagged psw", "choose another name or number"]),
        ({"kind": "storage", "storage": "local-lvm", "what": "full"}, "no_storage", ["local-lvm (0 GiB free)", "make room"]),
        ({"kind": "storage", "storage": "local-lvm", "what": "inactive"}, "no_storage", ["local-lvm (not active)"]),
        ({"kind": "templates"}, "no_template", ["no template debian-13-standard", "pveam available"]),
    ],
    ids=["a stranger has the number", "full", "away", "no template"],
)
def test_what_can_be_seen_before_is_refused_with_all_as_it_was(bare, cause, code, words):
    bare.wish(targets={"psw-core": {"vmid": 777}})
    trouble.cause(bare.project.lab, **cause)
    bare.refuses(code, *words, check=code != "no_template")  # only a real run may update the index of templates, and an empty one says nothing
    bare.heal()
    if FULL:
        bare.completes()


def test_a_node_without_a_storage_for_containers_is_refused(bare):
    bare.shell(ONLY_NFS)
    bare.refuses("no_storage", "local-lvm (content images)", "nas (content images)", "allow the content in Datacenter > Storage")
    bare.shell(NO_LONGER)
    if FULL:
        bare.completes()


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ({"kind": "quorum"}, ["cluster not ready - no quorum?", "pvecm status", "then run this again"]),
        ({"message": "lvcreate 'pve/vm-100-disk-0' error: Insufficient free space", "in_task": True}, ["Insufficient free space", "make room"]),
        ({"message": "got timeout"}, ["got timeout", "the node was too slow to answer", "then run this again"]),
    ],
    ids=["quorum", "task", "timeout"],
)
def test_a_target_that_cannot_be_made_leaves_nothing(bare, cause, words):
    before = bare.state()
    if "kind" in cause:
        trouble.cause(bare.project.lab, **cause)
    else:
        trouble.fail(bare.project.lab, "POST", CREATE, **cause)
    bare.fails(*words)
    assert bare.state() == before
    bare.heal()
    if FULL:
        bare.completes()


def test_a_target_that_is_made_and_does_not_start_is_started_by_the_next_run(bare):
    lab = bare.project.lab
    trouble.fail(lab, "POST", START, "startup for container '100' failed", in_task=True)
    bare.fails("startup for container '100' failed", "pct start NUMBER --debug")
    bare.heal()
    trouble.fail(lab, "POST", START, "got timeout")
    bare.fails("got timeout", "then run this again")
    assert bare.shell("pct list | awk 'NR > 1 {print $1, $2, $NF, NF}'").stdout == "100 stopped psw-core 3\n"
    bare.heal()
    bare.completes()


def test_a_target_that_somebody_holds_is_left_alone_until_they_are_done(home):
    home.wish(targets={})
    home.completes()
    home.wish(targets={"psw-core": {"memory_mib": 3072}})
    lab, before = home.project.lab, home.state()
    trouble.cause(lab, "lock", vmid=100, why="backup")
    status, text = home.converge()
    assert (status, text.count("container 100 (psw-core) is locked (backup)")) == (3, 1), text
    home.heal()
    trouble.cause(lab, "quorum")
    home.fails("cluster not ready - no quorum?", "pvecm status")
    home.heal()
    trouble.fail(lab, "PUT", CONFIG, BUSY)
    home.fails(BUSY, "another task holds the lock", "then run this again")
    home.heal()
    assert home.state() == before
    home.completes()
    assert "memory: 3072\n" in home.shell("cat /etc/pve/lxc/100.conf").stdout


@pytest.fixture
def with_models(home):
    """The house with a card and a target for models yet to be made."""
    home.project.run("app", "add", "ollama")
    home.project.run("node", "setup-gpu", NODE)
    yield home
    home.wish(targets={})


def test_a_pool_that_will_not_do_for_models_is_refused_before_anything_is_made(with_models):
    for what, said in {"full": "tank has", **({"degraded": "tank is DEGRADED"} if FULL else {})}.items():
        trouble.cause(with_models.project.lab, "pool", pool="tank", what=what)
        with_models.refuses("no_pool", said)
        with_models.heal()
    before = with_models.state()
    assert with_models.converge("--check")[0] == 0
    assert with_models.state() == before


def test_no_dataset_is_made_for_a_target_that_cannot_be_made(with_models):
    with_models.wish(targets={"psw-ai": {"vmid": 777}})
    trouble.cause(with_models.project.lab, "stranger", vmid=777, hostname="theirs")
    with_models.refuses("not_ours", "container 777 (theirs) is not tagged psw")
