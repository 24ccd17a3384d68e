"""Networks between servers that lose packets, though all of them are 127.0.0.1.

The kernel's packet filter loses them, in a chain of the test's own. Addresses tell nothing here; a
connection is known by the name its SPU gives in every message that it sends (`spu-5002`), at the
private port it was sent to: the filter looks for it in packets, and marks the connection. So a new
connection is cut at its first message, and clients and all other servers notice nothing.

A process of its own takes the chain away when ours ends, however it ends.
"""

import itertools
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

WATCHMAN = """
import subprocess, sys
sys.stdin.read()
chain = sys.argv[1]
for words in ("-D INPUT -i lo -j", "-F", "-X"):
    subprocess.run(["iptables", "-w", *words.split(), chain], check=False)
"""


class LossyNetwork:
    """Connections between servers, some of which may lose packets.

    chain:         name of the chain in the filter
    private_ports: of each SPU and of the controller, where others dial it
    """

    def __init__(self, chain: str, private_ports: Mapping[int, int]) -> None:
        self._chain = chain
        self._private_ports = private_ports
        self._marks = itertools.count(1)

    @contextmanager
    def losing(
        self, near: Collection[int], far: Collection[int], *, from_near: bool, from_far: bool
    ) -> Iterator[None]:
        """Lose what these send those, or those these, or both, on all their connections."""
        # New marks each time: a connection keeps the mark of an earlier cut.
        dialled_by_near, dialled_by_far = next(self._marks), next(self._marks)
        rules = []
        for a, b in itertools.product(near, far):
            rules.append(self._mark(a, b, dialled_by_near))
            rules.append(self._mark(b, a, dialled_by_far))
        if from_near:
            rules += [drop(dialled_by_near, "ORIGINAL"), drop(dialled_by_far, "REPLY")]
        if from_far:
            rules += [drop(dialled_by_near, "REPLY"), drop(dialled_by_far, "ORIGINAL")]
        self._replace(rules)
        try:
            yield
        finally:
            self._replace([])

    def _mark(self, dialling: int, dialled: int, mark: int) -> str:
        return (
            f"-p tcp --dport {self._private_ports[dialled]} "
            f"-m string --algo bm --string spu-{dialling} -j CONNMARK --set-mark {mark}"
        )

    def _replace(self, rules: Sequence[str]) -> None:
        """All at once. Raises CalledProcessError."""
        lines = ["*filter", f":{self._chain} - [0:0]"]
        lines += [f"-A {self._chain} {rule}" for rule in rules]
        command = ["iptables-restore", "-w", "--noflush"]
        text = "\n".join([*lines, "COMMIT", ""])
        subprocess.run(command, input=text, text=True, check=True, capture_output=True)


def drop(mark: int, direction: str) -> str:
    return f"-m connmark --mark {mark} -m conntrack --ctdir {direction} -j DROP"


@contextmanager
def lossy_network(
    private_ports: Mapping[int, int],
) -> Iterator[tuple[LossyNetwork | None, str]]:
    """The network; or None and why there is none: no such filter here, or no right to use it."""
    chain = f"CHAOS-{min(private_ports.values())}"
    network, spus = LossyNetwork(chain, private_ports), list(private_ports)
    with subprocess.Popen(
        [sys.executable, "-c", WATCHMAN, chain],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watchman:
        try:
            reason = ""
            try:
                with network.losing(spus[:1], spus[1:], from_near=True, from_far=True):
                    pass  # the filter knows every word of these rules
                jump = ["iptables", "-w", "-I", "INPUT", "1", "-i", "lo", "-j", chain]
                subprocess.run(jump, check=True, capture_output=True, text=True)
            except OSError as error:
                reason = str(error)
            except subprocess.CalledProcessError as error:
                reason = " ".join(error.stderr.split()) or str(error)
            yield (None if reason else network), reason
        finally:
            watchman.communicate()
