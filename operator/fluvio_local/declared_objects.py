"""The objects of a read-only cluster, read from their file. Called by `app` at every start.

The file is one of manifests, as `fluvio apply` takes it, or Fluvio's own form with lists by kind.
It is never written.
"""

import logging
from pathlib import Path

from fluvio_client.manifests import TEXT_SIZE_BYTES_MAX, find_twins, read_manifests
from fluvio_local.cluster_files import UnreadableFile
from fluvio_sc.core.declaration import DeclaredObject

logger = logging.getLogger(__name__)


def read_declared(path: Path) -> tuple[DeclaredObject, ...]:
    """Everything that the file declares. Raises UnreadableFile."""
    try:
        if path.stat().st_size > TEXT_SIZE_BYTES_MAX:
            raise UnreadableFile(f"{path}: larger than {TEXT_SIZE_BYTES_MAX} bytes")
        found = read_manifests(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{path}: is no text in UTF-8") from error
    except ModuleNotFoundError as error:
        raise UnreadableFile(
            f"{path}: reading manifests needs pydantic: pip install 'fluvio-cluster[apply]'"
        ) from error
    except ValueError as error:  # no YAML, or no manifests
        raise UnreadableFile(str(error)) from error
    twins = find_twins(found)
    if twins is not None:
        raise UnreadableFile(f"{path}: {twins}")
    for one in found:
        for ignored in one.ignored:
            logger.warning("event=setting_ignored object=%s path=%s", one.title, ignored)
    return tuple(DeclaredObject(one.kind, one.name, one.spec) for one in found)
