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


def test_text_is_escaped_as_prometheus_reads_it() -> None:
    sample = Sample("x_bytes", "gauge", 'a\\b\n"c"', 0.5, {"name": 'q"\\\n'})
    assert render([sample, Sample("y_total", "counter", "y", 1 << 60)]) == (
        '# HELP x_bytes a\\\\b\\n"c"\n'
        "# TYPE x_bytes gauge\n"
        'x_bytes{name="q\\"\\\\\\n"} 0.5\n'
        "# HELP y_total y\n# TYPE y_total counter\n"
        "y_total 1152921504606846976\n"
    )
