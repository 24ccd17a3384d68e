"""What the operator's process makes of its environment."""

from collections.abc import Mapping

import pytest

from fluvio_operator.config import parse_config

POD = {"POD_NAMESPACE": "stream", "POD_NAME": "fluvio-sc-1"}


def test_a_pod_needs_to_be_told_no_more_than_where_it_is() -> None:
    config = parse_config([], POD)
    assert (config.namespace, config.pod_name, config.is_pod) == ("stream", "fluvio-sc-1", True)
    assert config.public == ("0.0.0.0", 9003)
    assert config.private == ("0.0.0.0", 9004)
    assert config.http == ("0.0.0.0", 9100)
    assert (config.config_map, config.cluster_domain) == ("spu-k8", "cluster.local")
    assert config.lease_duration_s == 15
    assert (config.log_level, config.log_filter) == ("INFO", "info")


def test_flags_count_more_than_the_environment() -> None:
    config = parse_config(
        ["--namespace", "mine", "--http", "[::1]:80", "--log-level", "warning"],
        {**POD, "FLV_SC_HTTP": "0.0.0.0:1", "FLV_LOG_LEVEL": "debug"},
    )
    assert (config.namespace, config.http, config.log_level) == ("mine", ("::1", 80), "WARNING")


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ({"RUST_LOG": "debug"}, "DEBUG"),
        ({"RUST_LOG": "fluvio=trace,warn"}, "WARNING"),
        ({"RUST_LOG": "fluvio=trace"}, "INFO"),
        ({"RUST_LOG": "debug", "FLV_LOG_LEVEL": "error"}, "ERROR"),
        ({"RUST_LOG": ""}, "INFO"),
    ],
)
def test_the_level_of_the_log(said: Mapping[str, str], level: str) -> None:
    assert parse_config([], {**POD, **said}).log_level == level


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ([], {}, "POD_NAMESPACE"),
        (["--public", "nowhere"], POD, '"nowhere" is no address'),
        (["--lease-duration-s", "1"], POD, "at least 3 s"),
        (["--lease-duration-s", "nan"], POD, "at least 3 s"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str],
    environment: Mapping[str, str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse_config(arguments, environment)
    assert words in capsys.readouterr().err
