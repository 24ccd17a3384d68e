"""Examples at the end of each command's help. Pure data; a test runs every line of it.

Keyed by the words of the command, without `fluvio`; a group's examples stand with its commands.
Files that lines name are those that `tests/cli/test_examples.py` makes.
"""

Example = tuple[str, str]
"""What for, and the command line."""

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "": (
        ("A first cluster on this machine", "fluvio cluster start"),
        ("What an application would read", "fluvio consume greetings -B -d"),
        ("One command against another cluster", "fluvio -P staging topic list"),
    ),
    "produce": (
        ("Each line of standard input is a record", "echo hello | fluvio produce greetings"),
        ("Lines of a file, with keys", "fluvio produce orders -f orders.txt --key-separator ="),
        ("A whole file as one record", "fluvio produce orders -f order.json --raw"),
        (
            "Only lines that a module lets through",
            "fluvio produce greetings -f orders.txt --smartmodule cats -e text=apple",
        ),
    ),
    "consume": (
        ("All that is there, then stop", "fluvio consume orders -B -d"),
        ("The last two records, with keys", "fluvio consume orders -T 2 -d -k"),
        (
            "All topics of a kind, with their names",
            "fluvio consume --pattern 'ord*' -B -d -F '{{topic}}: {{value}}'",
        ),
        (
            "A format of one's own",
            "fluvio consume orders -B -d -F '{{partition}}/{{offset}}: {{value}}'",
        ),
        (
            "What a module makes of the records",
            "fluvio consume orders -B -d --smartmodule cats -e text=apple",
        ),
    ),
    "top": (
        ("Rates, lags and health, live", "fluvio top"),
        ("Also of what the cluster itself stores", "fluvio top --system --interval 5s"),
        ("One look, without a terminal", "fluvio top --once"),
    ),
    "smartmodule": (
        ("A source to begin with", "fluvio smartmodule generate even"),
        ("Compile it", "fluvio smartmodule build odd.c"),
        ("Try one", "fluvio smartmodule test --ready-made sum --text 1 --text 2"),
        (
            "Store one that comes with fluvio",
            "fluvio smartmodule create cats --ready-made contains",
        ),
    ),
    "smartmodule create": (
        ("From a file", "fluvio smartmodule create odd --wasm-file odd.wasm"),
        (
            "Only if it can be run",
            "fluvio smartmodule create odd --wasm-file odd.wasm --strict",
        ),
        (
            "One that comes with fluvio",
            "fluvio smartmodule create cats --ready-made regex-filter",
        ),
    ),
    "smartmodule list": (
        ("All that are stored", "fluvio smartmodule list"),
        ("All that come with fluvio", "fluvio smartmodule list --ready-made"),
    ),
    "smartmodule delete": (
        ("One", "fluvio smartmodule delete cats"),
        ("Several", "fluvio smartmodule delete odd cats"),
    ),
    "smartmodule generate": (
        ("One that changes records", "fluvio smartmodule generate shout --kind map"),
        (
            "A module that comes with fluvio, to change it",
            "fluvio smartmodule generate cats --ready-made regex-filter",
        ),
    ),
    "smartmodule build": (
        ("To odd.wasm", "fluvio smartmodule build odd.c"),
        ("To another place", "fluvio smartmodule build odd.c -o filter.wasm"),
    ),
    "smartmodule describe": (
        ("For people", "fluvio smartmodule describe cats"),
        ("For programs", "fluvio smartmodule describe cats -O json"),
    ),
    "smartmodule watch": (
        ("The list, again after every change", "fluvio smartmodule watch"),
        ("The same for programs", "fluvio smartmodule watch -O json"),
    ),
    "smartmodule stats": (
        ("All modules that ran", "fluvio smartmodule stats"),
        ("One of them, on each SPU", "fluvio smartmodule stats cats --per-spu"),
    ),
    "smartmodule test": (
        ("On two records", "fluvio smartmodule test odd.wasm --text apple --text pear"),
        (
            "One that comes with fluvio, on lines of a file",
            "fluvio smartmodule test --ready-made contains -e text=pear --file orders.txt",
        ),
        (
            "Compare with what was expected",
            "fluvio smartmodule test odd.wasm --file orders.txt --expect odd.txt",
        ),
    ),
    "topic": (
        ("All topics", "fluvio topic list"),
        ("One topic as JSON", "fluvio topic describe orders -O json"),
    ),
    "topic create": (
        ("One partition, one replica", "fluvio topic create shipments"),
        (
            "Three partitions that keep records for a day",
            "fluvio topic create shipments -p 3 --retention-time 1d",
        ),
        ("Drop records whose key was there already", "fluvio topic create shipments --dedup"),
        ("Only try it", "fluvio topic create shipments --dry-run"),
        ("From a file", "fluvio topic create --config topic.yaml"),
    ),
    "topic list": (
        ("All topics", "fluvio topic list"),
        ("Those whose names begin alike", "fluvio topic list --match 'order*' -O yaml"),
    ),
    "topic describe": (
        ("For people", "fluvio topic describe orders"),
        ("For programs", "fluvio topic describe orders -O json"),
    ),
    "topic delete": (
        ("One topic", "fluvio topic delete orders"),
        ("Several, going on after a failure", "fluvio topic delete -c orders greetings"),
    ),
    "topic update": (
        ("Up to five partitions", "fluvio topic update orders -p 5"),
        ("Only try it", "fluvio topic update orders -p 5 --dry-run"),
    ),
    "topic add-partition": (
        ("One more", "fluvio topic add-partition orders"),
        ("Two more", "fluvio topic add-partition orders --count 2"),
    ),
    "topic add-mirror": (
        ("A remote cluster that mirrors", "fluvio topic add-mirror mirrored edge-1"),
        (
            "One that receives what is produced at home",
            "fluvio topic add-mirror sent-out edge-1 --home-to-remote",
        ),
    ),
    "topic lag": (
        ("How far consumers are behind", "fluvio topic lag orders"),
        ("The same for programs", "fluvio topic lag orders -O json"),
    ),
    "partition": (
        ("All partitions", "fluvio partition list"),
        ("One of them", "fluvio partition describe orders-0"),
    ),
    "partition replicas": (
        ("Leaders, epochs and in-sync sets of all", "fluvio partition replicas"),
        ("Of one, for programs", "fluvio partition replicas orders-0 -O json"),
    ),
    "partition move": (
        ("What would be done", "fluvio partition move orders-0 --replicas 5001 --dry-run"),
        ("Do it", "fluvio partition move orders-0 --replicas 5001"),
    ),
    "partition elect": (
        ("The preferred replica leads again", "fluvio partition elect orders-0"),
        ("That one", "fluvio partition elect orders-0 --spu 5001"),
    ),
    "topic rebalance": (
        ("What would be moved", "fluvio topic rebalance --dry-run"),
        ("Of one topic", "fluvio topic rebalance orders"),
    ),
    "partition list": (
        ("Of one topic", "fluvio partition list --topic orders"),
        ("All, as YAML", "fluvio partition list -O yaml"),
    ),
    "partition describe": (
        ("For people", "fluvio partition describe orders-0"),
        ("For programs", "fluvio partition describe orders-0 -O json"),
    ),
    "consumer": (
        ("All consumers with stored offsets", "fluvio consumer list"),
        ("How far one is", "fluvio consumer describe billing"),
    ),
    "consumer list": (
        ("All of them", "fluvio consumer list"),
        ("For programs", "fluvio consumer list -O json"),
    ),
    "consumer describe": (
        ("Its offsets and its lag", "fluvio consumer describe billing"),
        ("For programs", "fluvio consumer describe billing -O json"),
    ),
    "consumer delete": (
        ("Only what it stored of one topic", "fluvio consumer delete billing -t orders"),
        ("All that it stored", "fluvio consumer delete billing"),
    ),
    "table-format": (
        ("All of them", "fluvio table-format list"),
        ("From a file", "fluvio table-format create -c table.yaml"),
    ),
    "table-format create": (
        ("From a file", "fluvio table-format create -c table.yaml"),
        ("Only look at the file", "fluvio table-format create -c table.yaml --dry-run"),
    ),
    "table-format list": (
        ("All of them", "fluvio table-format list"),
        ("For programs", "fluvio tf list -O json"),
    ),
    "table-format describe": (
        ("For people", "fluvio table-format describe order-table"),
        ("As the file to make it from", "fluvio table-format describe order-table -O yaml"),
    ),
    "table-format delete": (
        ("One of them", "fluvio table-format delete order-table"),
        ("Only try it", "fluvio table-format delete order-table --dry-run"),
    ),
    "apply": (
        ("Make objects what a file says", "fluvio apply -f objects.yaml"),
        ("Only show what would change", "fluvio apply -f objects.yaml --dry-run"),
    ),
    "diff": (
        ("Where objects differ from a file", "fluvio diff -f objects.yaml"),
        ("For programs", "fluvio diff -f objects.yaml -O json"),
    ),
    "object": (
        ("All topics as manifests", "fluvio object get topic"),
        ("Make objects what a file says", "fluvio object apply -f objects.yaml"),
    ),
    "object get": (
        ("All topics as manifests", "fluvio object get topic"),
        ("One of them as JSON", "fluvio object get topic orders -O json"),
    ),
    "object watch": (
        ("All topics and every change", "fluvio object watch topic"),
        ("One SPU, for programs", "fluvio object watch spu custom-spu-5001 -O json"),
    ),
    "object apply": (
        ("Make objects what a file says", "fluvio object apply -f objects.yaml"),
        ("Only show what would change", "fluvio object apply -f objects.yaml --dry-run"),
    ),
    "object diff": (
        ("Where objects differ from a file", "fluvio object diff -f objects.yaml"),
        ("For programs", "fluvio object diff -f objects.yaml -O json"),
    ),
    "profile": (
        ("The current one", "fluvio profile"),
        ("Another cluster from now on", "fluvio profile switch staging"),
    ),
    "profile current": (
        ("Its name", "fluvio profile current"),
        ("Its name within a sentence", 'echo "on $(fluvio profile current)"'),
    ),
    "profile list": (
        ("All of them", "fluvio profile list"),
        ("The whole file for programs", "fluvio profile list -O json"),
    ),
    "profile switch": (
        ("Another cluster from now on", "fluvio profile switch staging"),
        ("The one on this machine", "fluvio profile switch local"),
    ),
    "profile rename": (
        ("Another name", "fluvio profile rename staging preview"),
        ("The one on this machine too", "fluvio profile rename local laptop"),
    ),
    "profile delete": (
        ("A profile", "fluvio profile delete staging"),
        ("The current one, with a warning", "fluvio profile delete local"),
    ),
    "profile delete-cluster": (
        ("A cluster that no profile uses", "fluvio profile delete-cluster unused"),
        ("One that profiles use", "fluvio profile delete-cluster staging --force"),
    ),
    "profile add": (
        ("A cluster that runs already", "fluvio profile add test 127.0.0.1:9003"),
        ("With what kind it is", "fluvio profile add test 127.0.0.1:9003 docker"),
    ),
    "profile export": (
        ("A file for another machine", "fluvio profile export staging"),
        ("Only the cluster, for programs", "fluvio profile export staging -O json"),
    ),
    "profile sync": (
        ("A cluster on this machine", "fluvio profile sync local"),
        ("A cluster on Kubernetes", "fluvio profile sync k8"),
    ),
    "profile sync local": (
        ("At the usual port", "fluvio profile sync local"),
        ("At another one", "fluvio profile sync local localhost:9103"),
    ),
    "profile sync k8": (
        ("Of the current context", "fluvio profile sync k8"),
        ("In another namespace", "fluvio profile sync k8 staging -n streams"),
    ),
    "cluster": (
        ("A first cluster on this machine", "fluvio cluster start"),
        ("How it does", "fluvio cluster status"),
        ("Its SPUs", "fluvio cluster spu list"),
    ),
    "cluster start": (
        ("On this machine", "fluvio cluster start"),
        ("With three SPUs, on this machine", "fluvio cluster start --local --spu 3"),
        ("On Kubernetes", "fluvio cluster start --k8 --namespace streams"),
    ),
    "cluster upgrade": (
        ("On this machine, without a question", "fluvio cluster upgrade --force"),
        ("On Kubernetes, first the definitions", "fluvio cluster upgrade --k8 --sys"),
    ),
    "cluster resume": (
        ("After a shutdown", "fluvio cluster resume"),
        ("Waiting for two minutes at most", "fluvio cluster resume --timeout 120"),
    ),
    "cluster shutdown": (
        ("Stop, and keep the data", "fluvio cluster shutdown"),
        ("One whose data is elsewhere", "fluvio cluster shutdown --data-dir ./cluster"),
    ),
    "cluster delete": (
        ("Stop, and delete the data, without a question", "fluvio cluster delete --force"),
        ("On Kubernetes", "fluvio cluster delete --k8 --force"),
    ),
    "cluster check": (
        ("Is this machine ready", "fluvio cluster check"),
        ("Is Kubernetes ready", "fluvio cluster check --k8"),
    ),
    "cluster status": (
        ("Of the current profile's cluster", "fluvio cluster status"),
        ("Of another one", "fluvio -P staging cluster status"),
    ),
    "cluster diagnostics": (
        ("Collect what a report needs", "fluvio cluster diagnostics"),
        ("Of a cluster on Kubernetes", "fluvio cluster diagnostics --k8 --quiet"),
    ),
    "cluster spu": (
        ("All SPUs", "fluvio cluster spu list"),
        ("One of them", "fluvio cluster spu describe 5001"),
    ),
    "cluster spu list": (
        ("All of them", "fluvio cluster spu list"),
        ("Those that were registered by hand", "fluvio cluster spu list --custom -O json"),
    ),
    "cluster spu drain": (
        ("What would be moved", "fluvio cluster spu drain 5001 --dry-run"),
        ("Use it again", "fluvio cluster spu drain 5001 --cancel"),
    ),
    "cluster spu describe": (
        ("By its number", "fluvio cluster spu describe 5001"),
        ("For programs", "fluvio cluster spu describe 5001 -O json"),
    ),
    "cluster spu register": (
        (
            "One that runs on a host of its own",
            "fluvio cluster spu register --id 7 -p spu.test:9005 -v spu.test:9006",
        ),
        (
            "Only try it",
            "fluvio cluster spu register --id 8 -p spu.test:9005 -v spu.test:9006 --dry-run",
        ),
    ),
    "cluster spu unregister": (
        ("By its number, only tried", "fluvio cluster spu unregister --id 7 --dry-run"),
        ("By its name", "fluvio cluster spu unregister --name custom-spu-7"),
    ),
    "cluster spg": (
        ("All groups", "fluvio cluster spg list"),
        ("One more", "fluvio cluster spg create east --replicas 3"),
    ),
    "cluster spg create": (
        ("Three SPUs, on Kubernetes", "fluvio cluster spg create east --replicas 3 --min-id 100"),
        (
            "With room for their data",
            "fluvio cluster spg create west --storage-size 50Gi --no-wait",
        ),
    ),
    "cluster spg list": (
        ("All groups", "fluvio cluster spg list"),
        ("For programs", "fluvio cluster spg list -O json"),
    ),
    "cluster spg describe": (
        ("For people", "fluvio cluster spg describe main"),
        ("For programs", "fluvio cluster spg describe main -O json"),
    ),
    "cluster spg delete": (
        ("Only try it", "fluvio cluster spg delete east --dry-run"),
        ("A group and its SPUs", "fluvio cluster spg delete east --force"),
    ),
    "benchmark": (
        ("All of it, with the built-in settings", "fluvio benchmark"),
        ("What changed between two runs", "fluvio benchmark --compare before.json after.json"),
    ),
    "benchmark producer": (
        (
            "A quick look",
            "fluvio benchmark producer --num-records 1000 --record-size 1kib --num-samples 1",
        ),
        (
            "Compressed, as a file to compare with later",
            "fluvio benchmark producer --num-records 1000 --compression lz4 --json before.json",
        ),
    ),
    "benchmark consumer": (
        ("A quick look", "fluvio benchmark consumer --num-records 1000 --num-samples 1"),
        (
            "Two that read everything, as a table for a spreadsheet",
            "fluvio benchmark consumer --num-records 1000 --num-consumers 2 --csv -",
        ),
    ),
    "benchmark latency": (
        (
            "A thousand records a second",
            "fluvio benchmark latency --rate 1000 --num-records 500 --num-samples 1",
        ),
        (
            "As a file to compare with later",
            "fluvio benchmark latency --num-records 500 --num-samples 1 --json before.json",
        ),
    ),
    "benchmark matrix": (
        ("Every combination that a file names", "fluvio benchmark matrix -c matrix.yaml"),
        ("The same, for programs", "fluvio benchmark matrix -c matrix.yaml --json -"),
    ),
    "version": (
        ("Of the command and of the cluster", "fluvio version"),
        ("For programs", "fluvio version --json"),
    ),
    "completions": (
        ("For this shell only", 'eval "$(fluvio completions bash)"'),
        ("For every fish", "fluvio completions fish"),
    ),
}


def epilog(path: str) -> str | None:
    """The text at the end of a command's help; None when it has no examples."""
    examples = EXAMPLES.get(path)
    if examples is None:
        return None
    lines = [line for what, words in examples for line in (f"  # {what}", f"  {words}")]
    return "\n".join(["\b", "Examples:", *lines])
