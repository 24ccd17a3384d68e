"""A stable number for each kind of error, `FLV-2001`, and what to do about it.

`-v` shows them; docs/reference/errors.md lists them, and a test compares the two. Numbers up to
3999 and from 5000 on are those that servers send; 4000 to 4999 are what the command and its client
find out themselves. A number is never given to something else.
"""

from typing import Any

PAGE = "docs/reference/errors.md"
UNKNOWN = 4000
USAGE = 4001
REFUSED = 4002
SYSTEM = 4003

OWN: dict[int, tuple[str, str, str]] = {
    UNKNOWN: ("FluvioError", "something that has no number of its own", "read the text"),
    USAGE: ("UsageError", "the command line is not understood", "see the command's --help"),
    REFUSED: ("Failure", "the command cannot do what it is asked for", "read the text"),
    SYSTEM: ("OSError", "the system refused a file or a socket", "check the path and its rights"),
    4010: ("SocketError", "the network failed", "try again; check the address"),
    4011: (
        "ConnectFailed",
        "nobody answers at the address",
        "start the cluster, or choose another one: fluvio cluster status, fluvio profile list",
    ),
    4012: ("ConnectionLost", "the server ended the connection", "try again"),
    4013: ("RequestTimedOut", "the server did not answer in time", "try again"),
    4020: ("ConfigError", "the profile file is missing or wrong", "correct the file"),
    4021: (
        "NoActiveProfile",
        "nothing says which cluster is meant",
        "fluvio cluster start, or fluvio profile add NAME HOST:PORT",
    ),
    4022: ("ProfileNotFound", "no profile or cluster has that name", "fluvio profile list"),
    4023: (
        "ProfileNotConnected",
        "one of several clusters is not there",
        "read the cause, with -v",
    ),
    4030: ("VersionMismatch", "the cluster is too old", "upgrade the cluster"),
    4031: ("LookupTimedOut", "the cluster's metadata did not arrive", "try again"),
    4032: ("PartitionNotFound", "the topic has no such partition", "fluvio partition list"),
    4033: ("ManagedObject", "the object belongs to another one", "change that one"),
    4034: ("NotChangeable", "the protocol has no request for it", "make the object anew"),
    4035: ("WaitTimedOut", "an object is not what was waited for", "wait longer: --timeout"),
    4040: ("ProducerError", "sending did not work", "read the text"),
    4041: ("QueueFull", "the leader takes no records", "fluvio cluster status"),
    4042: ("DeliveryFailed", "a batch was given up", "read the cause, with -v"),
    4043: ("CompressionMismatch", "the topic wants another codec", "leave --compression out"),
    4044: ("ProducerClosed", "the producer was closed", "open another one"),
    4050: ("ConsumerError", "reading did not work", "read the text"),
    4051: ("ConsumerClosed", "the consumer was closed", "open another one"),
    4060: ("ProtocolError", "bytes that do not follow the protocol", "is it a Fluvio cluster?"),
}
"""Number: class of the error, what happened, what to do."""
_BY_CLASS = {name: number for number, (name, _, _) in OWN.items()}
ADVICE: dict[int, str] = {
    1: "ask for an offset that is there: fluvio partition list",
    10: "send smaller records",
    13: "ask for the right to do it",
    71: "start at a later offset, or keep records longer",
    72: "delete records or add storage",
    1003: "fluvio cluster spu list",
    2001: "fluvio topic list",
    2002: "take another name, or use what is there",
    2004: "correct the topic's settings",
    2005: "wait, or start more SPUs: fluvio topic describe NAME",
    2006: "lower-case letters, digits and '-', 63 at most",
    6001: "make the SmartModule first",
    7001: "fluvio table-format list",
    7002: "take another name, or use what is there",
    10000: "store it first: fluvio smartmodule create NAME --ready-made dedup-exact",
    11001: "fluvio object get mirror",
    12001: "add --force",
}
"""What to do about some that servers send."""


def show(number: int) -> str:
    """`FLV-0071`, `FLV-2001`, `FLV-10001`."""
    return f"FLV-{number:04}"


def number_of(error: BaseException) -> int:
    """The number of an error: what the server sent, else what its class stands for."""
    status: Any = getattr(error, "status", None)
    sent = getattr(status, "error", None)
    if isinstance(sent, int) and sent > 0:
        return int(sent)
    for kind in type(error).__mro__:
        own_code = vars(kind).get("code")
        if kind.__name__ in _BY_CLASS and _BY_CLASS[kind.__name__] != UNKNOWN:
            return _BY_CLASS[kind.__name__]
        if isinstance(own_code, int) and own_code > 0:
            return int(own_code)
    return UNKNOWN


def catalogue() -> dict[int, tuple[str, str]]:
    """Every number: what it means, and what to do (which may be nothing)."""
    from fluvio_protocol.errors import ErrorCode

    found = {number: (meaning, advice) for number, (_, meaning, advice) in OWN.items()}
    for code in ErrorCode:
        if code > 0:
            meaning = code.name.lower().replace("_", " ")
            found[int(code)] = (meaning, ADVICE.get(int(code), ""))
    return dict(sorted(found.items()))


def causes(error: BaseException) -> list[str]:
    """Texts of what led to an error, the nearest first; at most ten."""
    texts: list[str] = []
    seen: set[int] = {id(error)}
    while len(texts) < 10:
        if isinstance(error, BaseExceptionGroup):
            following: BaseException | None = error.exceptions[0]
        else:
            following = error.__cause__ or (
                None if error.__suppress_context__ else error.__context__
            )
        if following is None or id(following) in seen:
            break
        seen.add(id(following))
        error = following
        texts.append(" ".join(str(error).split()) or type(error).__name__)
    return texts


def details(error: BaseException) -> str:
    """What `-v` adds below an error's text: the chain of causes, the number, what to do."""
    lines = [f"  {number}: {text}" for number, text in enumerate(causes(error))]
    lines = ["caused by:", *lines] if lines else []
    number = number_of(error)
    advice = catalogue().get(number, ("", ""))[1]
    lines.append(f"code: {show(number)} ({PAGE})")
    if advice:
        lines.append(f"help: {advice}")
    return "\n".join(lines)
