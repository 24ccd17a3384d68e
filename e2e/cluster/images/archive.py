"""Write an archive of images as `docker save` does, out of root file systems that are archives.

Called by ../debian.sh and ../node.sh; `docker load` and `ctr images import` read the result. Every
image has one layer. Images that name the same root share it: it is stored once, whatever they are
called and start. The same input gives the same bytes.
"""

import argparse
import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

EPOCH = "1970-01-01T00:00:00Z"
CHUNK_BYTES = 1 << 20
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # the kernel's names, and those of images


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compressed(root: Path, folder: Path) -> Path:
    """The root, compressed in a hurry: it is read back on this machine."""
    target = folder / (root.name + ".gz")
    with (
        root.open("rb") as source,
        target.open("wb") as sink,
        # No name and no time in the head, for the bytes to be the same every time.
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=sink, mtime=0) as packer,
    ):
        shutil.copyfileobj(source, packer, CHUNK_BYTES)
    return target


def configuration(layer: str, config: dict[str, Any], labels: dict[str, str]) -> bytes:
    """The image's own description; its digest is the image's id."""
    return json.dumps(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "created": EPOCH,
            "config": config | {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
            "history": [{"created": EPOCH, "created_by": "e2e/cluster"}],
        }
    ).encode()


def write(target: Path, images: list[list[str]], labels: dict[str, str], pack: bool) -> None:
    """Write every image of the command line to one archive."""
    layers: dict[str, str] = {}  # the root's path, and the digest of the layer it became
    manifest = []
    with (
        tempfile.TemporaryDirectory(dir=target.parent) as folder,
        tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive,
    ):

        def add(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

        for root, config, *names in images:
            if root not in layers:
                layers[root] = digest(Path(root))
                file = compressed(Path(root), Path(folder)) if pack else Path(root)
                entry = tarfile.TarInfo(f"{layers[root]}.tar")
                entry.size = file.stat().st_size
                with file.open("rb") as content:
                    archive.addfile(entry, content)
            description = configuration(layers[root], json.loads(config), labels)
            description_name = f"{hashlib.sha256(description).hexdigest()}.json"
            add(description_name, description)
            manifest.append(
                {
                    "Config": description_name,
                    "RepoTags": names,
                    "Layers": [f"{layers[root]}.tar"],
                }
            )
        add("manifest.json", json.dumps(manifest).encode())


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument(
        "--image",
        nargs="+",
        action="append",
        required=True,
        metavar="ROOT CONFIG NAME",
        help="root.tar, the image's config as JSON, and its names",
    )
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--gzip", action="store_true", help="compress the layers")
    arguments = parser.parse_args()
    labels = dict(text.split("=", 1) for text in arguments.label)
    write(arguments.target, arguments.image, labels, arguments.gzip)


if __name__ == "__main__":
    main()
