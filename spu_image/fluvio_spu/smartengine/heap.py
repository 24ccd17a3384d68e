"""Gives a module the buffers back that it gave, where its heap says how large they are.

Modules from Fluvio's kit for Rust leave each output behind, and grow with every call until their
memory is at its limit. Their `dealloc` has to be told the capacity of the buffer, which nobody
says, and ends the instance when it is told another. But the heap below it, that of Rust's standard
library and that of C's in WASI, is Doug Lea's: the word before a block holds the block's size.

    word: size of the block with its words | block is in use (2) | the one before is in use (1)
    position: the block's content           ... word of the next block

Whether a module has such a heap is tried out with a few blocks when it is made. Nothing is given
back that does not lie between two such words.
"""

from collections.abc import Callable

_TRIED_SIZES = (24, 200, 3_000)
_WORD_SIZE = 4
_IN_USE, _BEFORE_IN_USE, _UNUSED_FLAG = 2, 1, 4
_FLAGS = 7
_ALIGNMENT = 8
_SLACK = 36
"""Bytes of a block beyond its content: a word, alignment to 16, a rest too small to split off."""

Read = Callable[[int], int | None]
"""The word at a position; None outside of the memory."""


def has_known_heap(
    read: Read, alloc: Callable[[int], int], dealloc: Callable[[int, int], object]
) -> bool:
    """Try out a few blocks. What `alloc` and `dealloc` raise goes through."""
    for size in _TRIED_SIZES:
        position = alloc(size)
        capacity = capacity_of(read, position, size)
        if capacity is None or capacity > size + _SLACK:
            return False
        dealloc(position, capacity)
    return True


def capacity_of(read: Read, position: int, size: int) -> int | None:
    """Of the block at `position` whose first `size` bytes were used; None when there is no block.

    A buffer that grew by doubling is less than twice as large as what is in it.
    """
    if position % _ALIGNMENT or position < 2 * _WORD_SIZE:
        return None
    word = read(position - _WORD_SIZE)
    if word is None or word & (_IN_USE | _UNUSED_FLAG) != _IN_USE:
        return None
    block_size = word & ~_FLAGS
    capacity = block_size - _WORD_SIZE
    if not size <= capacity <= 2 * size + _SLACK:
        return None
    following = read(position - _WORD_SIZE + block_size)
    if following is None or not following & _BEFORE_IN_USE:
        return None
    return capacity
