"""Every command has examples in its help, and every example does what it says.

Those that stop the cluster or need Kubernetes or another one are parsed, and the rest is run, in
this process, against one cluster.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from fluvio_cli.examples import EXAMPLES
from fluvio_cli.main import root, run

FILES = {
    "orders.txt": "o1=apple\no2=pear\n",
    "order.json": '{"fruit": "apple"}',
    "topic.yaml": "meta: {name: shipments}\npartition: {count: 2}\n",
    "odd.c": '#include "fluvio_smartmodule.h"\nSM_FILTER(record) { return record->offset % 2; }\n',
    "odd.txt": "o2=pear\n",
    "table.yaml": "name: order-table\ninputFormat: JSON\ncolumns: [{keyPath: fruit}]\n",
    "objects.yaml": "apiVersion: fluvio.infinyon.com/v2\nkind: Topic\nmetadata: {name: returns}\n"
    "spec: {replicas: {computed: {partitions: 1, replicationFactor: 1}}}\n",
    "mirror.yaml": "apiVersion: fluvio.infinyon.com/v1\nkind: Mirror\nmetadata: {name: edge-1}\n"
    "spec: {mirrorType: {remote: {id: edge-1}}}\n",
    "remotes.json": "[]",
    "before.json": "",
    "after.json": "",
    "matrix.yaml": "batch-size: [16kib, 1mib]\nnum-records: 100\nnum-samples: 1\n",
    "config": "",
}
"""What examples and the preparations below name."""
ONLY_PARSED = {
    "fluvio cluster spu drain 5001 --dry-run",  # the only SPU there is
    "fluvio cluster start",
    "fluvio -P staging topic list",
    "fluvio -P staging cluster status",
    "fluvio profile sync k8",
    "fluvio profile sync k8 staging -n streams",
    "fluvio cluster check",  # looks at the usual ports of this machine
    "fluvio cluster check --k8",
    "fluvio cluster diagnostics --k8 --quiet",
    "fluvio benchmark",  # takes minutes
    "fluvio top",  # fills the screen of a terminal
    "fluvio top --system --interval 5s",
    "fluvio smartmodule watch",  # goes on until Ctrl-C
    "fluvio smartmodule watch -O json",
    "fluvio object watch topic",
    "fluvio object watch spu custom-spu-5001 -O json",
}
"""They would need another cluster than the one there is, or a terminal."""
PARSED_COMMANDS = tuple(
    f"cluster {verb}" for verb in ("start", "upgrade", "resume", "shutdown", "delete")
)
PREPARED = {
    "produce": ["smartmodule create cats --ready-made contains"],
    "consume": ["smartmodule create cats --ready-made contains"],
    "topic create": ["topic delete shipments --no-wait"],
    "topic update": ["topic delete orders", "topic create orders"],
    "topic add-mirror": [
        "apply -f mirror.yaml",
        "topic create mirrored --mirror-apply remotes.json",
        "topic create sent-out --mirror-apply remotes.json --home-to-remote",
    ],
    "diff": ["topic delete returns"],
    "object diff": ["topic delete returns"],
    "consumer": ["produce orders -f orders.txt", "consume orders -B -d -c billing"],
    "consumer describe": ["produce orders -f orders.txt", "consume orders -B -d -c billing"],
    "consumer delete": ["produce orders -f orders.txt", "consume orders -B -d -c billing"],
    "smartmodule create": ["smartmodule build odd.c"],
    "smartmodule test": ["smartmodule build odd.c"],
    "smartmodule describe": ["smartmodule create cats --ready-made contains"],
    "smartmodule delete": [
        "smartmodule create odd --ready-made contains",
        "smartmodule create cats --ready-made contains",
    ],
    "table-format create": ["table-format delete order-table"],
    "table-format": ["table-format delete order-table"],
    "table-format describe": ["table-format create -c table.yaml"],
    "table-format delete": ["table-format create -c table.yaml"],
    "benchmark": [
        f"benchmark producer --num-records 100 --num-samples 1 --json {name}.json"
        for name in ("before", "after")
    ],
    "cluster spu unregister": ["cluster spu register --id 7 -p spu.test:9005 -v spu.test:9006"],
    "cluster spg": ["cluster spg delete east --force"],
    "cluster spg create": ["cluster spg delete east --force", "cluster spg delete west --force"],
    "cluster spg describe": ["cluster spg create main --min-id 900 --no-wait"],
    "cluster spg delete": ["cluster spg create east --min-id 800 --no-wait"],
}
"""What is done before each example of a command, whether it works or not."""
CASES = [(path, line) for path, examples in EXAMPLES.items() for _, line in examples]


def command_paths(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The words of every command that help shows."""
    if not command.hidden:
        yield " ".join(path)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from command_paths(inner, (*path, name))


def words_of(line: str) -> tuple[list[str], str]:
    """Arguments of the command, and what it finds on standard input."""
    within = re.search(r'"[^"]*\$\((.+)\)"', line)
    line = within[1] if within else line
    before, pipe, behind = line.partition(" | ")
    words = shlex.split(behind if pipe else line)
    assert words[0] == "fluvio"
    return words[1:], before.removeprefix("echo ") + "\n" if pipe else ""


def test_every_command_has_two_examples_and_shows_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = set(command_paths(root))
    assert sorted(path for path in paths if len(EXAMPLES.get(path, ())) < 2) == []
    assert set(EXAMPLES) - paths == set()
    for path, examples in EXAMPLES.items():
        assert run([*path.split(), "--help"]) == 0
        shown = capsys.readouterr().out.split("\n  Examples:\n")[1]
        assert shown == "".join(f"    # {what}\n    {line}\n" for what, line in examples)


@pytest.mark.parametrize(("path", "line"), CASES, ids=[line for _, line in CASES])
def test_an_example_is_about_its_command_and_parses(
    path: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    parsed: list[str] = []
    monkeypatch.setattr(
        click.Command, "invoke", lambda self, context: parsed.append(context.command_path)
    )
    arguments, _ = words_of(line)
    assert run(arguments) == 0
    assert parsed[-1].startswith(f"fluvio {path}".strip())


@pytest.fixture(scope="module")
def cluster(cluster_factory: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One of the module's own: examples use names that other tests may use too."""
    started = cluster_factory(spu_count=1)
    yield started
    started.delete()


@pytest.mark.cluster
@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path not in PARSED_COMMANDS], ids=lambda path: path or "-"
)
def test_examples_work(
    cluster: Any,
    path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    staging = '[profile.staging]\ncluster = "staging"\n'
    for name in ("staging", "unused"):
        staging += f'[cluster.{name}]\nendpoint = "{cluster.public_address}"\n'
        staging += f'[cluster.{name}.tls]\ntls_policy = "disabled"\n'
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLV_PROFILE_PATH", "config")
    monkeypatch.setenv("CI", "true")

    def command(arguments: list[str], stdin: str = "") -> tuple[int, str]:
        Path("stdin").write_text(stdin)
        with Path("stdin").open() as lines:
            monkeypatch.setattr("sys.stdin", lines)
            code = run(arguments)
        said = capsys.readouterr()
        return code, said.out + said.err

    for _, line in EXAMPLES[path]:
        if line in ONLY_PARSED or line.startswith(
            tuple(f"fluvio {one}" for one in PARSED_COMMANDS)
        ):
            continue
        Path("config").write_text(f"{cluster.profile_path.read_text()}\n{staging}")
        for prepared in (
            "topic create orders",
            "topic create greetings",
            *PREPARED.get(path, ()),
        ):
            command(prepared.split())
        arguments, stdin = words_of(line)
        code, said = command(arguments, stdin)
        # `diff` says by its code that there are differences
        assert code == (1 if "diff" in path else 0), f"{line}\n{said}"
