"""Samples as Prometheus reads them."""

from fluvio_process.exposition import Sample, render


def test_samples_of_one_name_have_one_heading() -> None:
    assert render(
        [
            Sample("requests_total", "counter", "how many", 2, {"method": "GET"}),
            Sample("requests_total", "counter", "how many", 1, {"method": 'a"b'}),
            Sample("size", "gauge", "how large", 0.5),
        ]
    ) == (
        "# HELP requests_total how many\n"
        "# TYPE requests_total counter\n"
        'requests_total{method="GET"} 2\n'
        'requests_total{method="a\\"b"} 1\n'
        "# HELP size how large\n"
        "# TYPE size gauge\n"
        "size 0.5\n"
    )
