"""Figures of benchmarks, and the file that keeps them. Plain data; reads and writes JSON text.

The file is an object with `version`, facts about where it was measured, and `results`: a list, with
one entry for each benchmark. Numbers carry their unit in their name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fluvio_cli.benchmark.latencies import Summary

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement, or several taken together.

    records, size_bytes: of values, that were sent, or read by all consumers together
    latency: producer: of records, from `send` to the answer; consumer: of batches, from asking to
             having; latency: of records, from the time when they were due to when they were read
    """

    records: int
    size_bytes: int
    elapsed_s: float
    latency: Summary

    @property
    def records_per_s(self) -> float:
        return self.records / self.elapsed_s

    @property
    def bytes_per_s(self) -> float:
        return self.size_bytes / self.elapsed_s


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark: what was measured, each sample, and all of them together.

    settings: by the names that people use; with the topic's name
    """

    mode: str
    settings: Mapping[str, Any]
    samples: Sequence[Sample]
    total: Sample


def write(results: Sequence[Result], facts: Mapping[str, str]) -> str:
    """The text of a file, without a newline at the end."""
    document = {"version": VERSION, **facts, "results": [_result_shape(one) for one in results]}
    return json.dumps(document, indent=2)


def read(text: str) -> list[Result]:
    """The results of a file. Raises ValueError for what is none."""
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']} of results is not known")
        return [_result_of(shape) for shape in document["results"]]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError("this is no file of benchmark results") from error


def _result_shape(result: Result) -> dict[str, Any]:
    return {
        "mode": result.mode,
        "settings": dict(result.settings),
        "total": _sample_shape(result.total),
        "samples": [_sample_shape(sample) for sample in result.samples],
    }


def _sample_shape(sample: Sample) -> dict[str, Any]:
    latency = sample.latency
    return {
        "records": sample.records,
        "size_bytes": sample.size_bytes,
        "elapsed_s": sample.elapsed_s,
        "records_per_s": sample.records_per_s,
        "bytes_per_s": sample.bytes_per_s,
        "latency": {
            "count": latency.count,
            "mean_ms": latency.mean_ms,
            "max_ms": latency.max_ms,
            "percentiles_ms": dict(latency.percentiles),
        },
    }


def _result_of(shape: Any) -> Result:
    return Result(
        str(shape["mode"]),
        dict(shape["settings"]),
        [_sample_of(sample) for sample in shape["samples"]],
        _sample_of(shape["total"]),
    )


def _sample_of(shape: Any) -> Sample:
    latency = shape["latency"]
    percentiles = {str(key): float(value) for key, value in latency["percentiles_ms"].items()}
    sample = Sample(
        int(shape["records"]),
        int(shape["size_bytes"]),
        float(shape["elapsed_s"]),
        Summary(
            int(latency["count"]), float(latency["mean_ms"]), float(latency["max_ms"]), percentiles
        ),
    )
    if not sample.elapsed_s > 0:
        raise ValueError("a measurement took no time")
    return sample
