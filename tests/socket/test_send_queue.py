"""Order is kept whatever the pieces, small pieces are put together, files are closed."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fluvio_socket.send_queue import FileSlice, SendQueue


def drain(queue: SendQueue, step: int) -> bytes:
    out = b""
    while queue.size_bytes:
        head = queue.head()
        if isinstance(head, FileSlice):
            piece = os.pread(head.fd, min(step, head.size), head.position)
        else:
            piece = b"".join(head)[:step]
        assert piece
        out += piece
        queue.advance(len(piece))
    return out


@given(
    sizes=st.lists(st.sampled_from([0, 1, 30, 4095, 4096, 5000, 70_000]), max_size=20),
    step=st.sampled_from([1000, 4096, 65_536, 1_000_000]),
    skip=st.integers(0, 10_000),
)
def test_bytes_leave_in_the_order_they_came(sizes: list[int], step: int, skip: int) -> None:
    buffers = [bytes([index % 256]) * size for index, size in enumerate(sizes)]
    whole = b"".join(buffers)
    skip = min(skip, len(whole))
    queue = SendQueue()
    queue.append(buffers, skip)
    assert queue.size_bytes == len(whole) - skip
    assert drain(queue, step) == whole[skip:]


def test_small_pieces_are_put_together() -> None:
    queue = SendQueue()
    for index in range(10_000):
        queue.append([b"%06d" % index])
    assert len(queue._items) < 3
    assert drain(queue, 100_000) == b"".join(b"%06d" % index for index in range(10_000))


def test_file_slices_keep_their_place(tmp_path: Path) -> None:
    path = tmp_path / "slice"
    path.write_bytes(bytes(range(256)) * 40)
    queue = SendQueue()
    fd = os.open(path, os.O_RDONLY)
    empty = os.dup(fd)
    queue.append([b"before"])
    queue.append_file(fd, 100, 10_000)
    queue.append([b"between"])
    queue.append_file(empty, 5, 0)
    queue.append([b"after" * 2000])
    expected = b"before" + path.read_bytes()[100:10_100] + b"between" + b"after" * 2000
    assert queue.size_bytes == len(expected)
    assert drain(queue, 3000) == expected
    for closed in (fd, empty):
        assert not os.path.exists(f"/proc/self/fd/{closed}")


def test_close_closes_files(tmp_path: Path) -> None:
    path = tmp_path / "slice"
    path.write_bytes(b"0123456789")
    queue = SendQueue()
    fd = os.open(path, os.O_RDONLY)
    queue.append_file(fd, 0, 10)
    queue.append([b"rest"])
    queue.close()
    assert queue.size_bytes == 0
    assert not os.path.exists(f"/proc/self/fd/{fd}")
