"""Which life of its data this SPU is in, and who hears when another one begins.

The controller counts on what a replica held in the life in which it came in sync. So whoever finds
that a log lacks records ends that life, durably, before anything that shows it goes; then this SPU
registers and follows anew, and counts as one that has to catch up, with all of its replicas.
"""

from collections.abc import Callable
from threading import Lock

from fluvio_protocol.types import DataIncarnation
from fluvio_spu.replica.file_work import FileWorkers
from fluvio_spu.storage.data_folder import DataFolder


class DataLife:
    """Made once. Event loop thread, but for `lost_before`.

    on_change: called after another life has begun
    """

    def __init__(self, folder: DataFolder, workers: FileWorkers) -> None:
        self.on_change: list[Callable[[], None]] = []
        self._folder = folder
        self._workers = workers
        self._lock = Lock()
        self._first = self._told = folder.incarnation

    @property
    def incarnation(self) -> DataIncarnation:
        """Of the present life; it may have begun without anybody having heard of it yet."""
        return DataIncarnation(self._folder.incarnation)

    def lost_before(self, reason: str) -> None:
        """A log that is being opened has lost records in the life that this process found.

        For a worker thread; `look` is to follow. Raises StorageError.
        """
        self._begin(self._first, reason)

    def lost_now(
        self, note: Callable[[], None], reason: str, failed: Callable[[Exception], None]
    ) -> None:
        """A log that is open turns out to lack records; `note` writes down which, in a worker."""
        ended = self._folder.incarnation

        def job() -> None:
            note()
            self._begin(ended, reason)

        self._workers.run(job, lambda _: self.look(), failed)

    def _begin(self, ended: int, reason: str) -> None:
        with self._lock:  # several logs are opened at a time
            self._folder.begin_new_life(ended, reason)

    def look(self) -> None:
        """Let everybody hear of a life that has begun."""
        if self._told != self._folder.incarnation:
            self._told = self._folder.incarnation
            for listener in self.on_change:
                listener()
