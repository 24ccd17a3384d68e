"""A busy port is named together with the process that has it."""

import os
import socket

import pytest

from fluvio_local.cluster_files import Address, ClusterDescription
from fluvio_local.inspection import find_busy_ports
from fluvio_local.port_check import find_busy


def listening() -> tuple[socket.socket, Address]:
    server = socket.create_server(("127.0.0.1", 0))
    return server, Address("127.0.0.1", server.getsockname()[1])


def test_the_owner_of_a_busy_port_is_named() -> None:
    server, address = listening()
    with server:
        (busy,) = find_busy([address])
        assert busy.pid == os.getpid()
        assert str(busy).startswith(f"port {address.port} is in use by process {os.getpid()} (")
    assert find_busy([address]) == ()


def test_connections_that_just_ended_do_not_make_a_port_busy() -> None:
    server, address = listening()
    with server, socket.create_connection((address.host, address.port)):
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    assert find_busy([address]) == ()


def test_an_address_of_no_interface_is_named() -> None:
    (busy,) = find_busy([Address("203.0.113.1", 9003)])
    assert "port 9003 of 203.0.113.1 cannot be used" in str(busy)


def test_all_ports_of_a_cluster_are_looked_at_but_those_of_its_running_spus() -> None:
    server, address = listening()
    with server:
        base = address.port - 11  # the private port of the second SPU
        cluster = ClusterDescription(
            platform_version="0.0.0",
            public=Address("127.0.0.1", 0),
            private=Address("127.0.0.1", 1),
            spu_count=2,
            spu_port_base=base,
            log_directory="/nowhere",
        )
        found = find_busy_ports(cluster)
        assert address in [busy.address for busy in found]
        found = find_busy_ports(cluster, running_spus=(5002,))
        assert address not in [busy.address for busy in found]


def test_a_port_that_the_cluster_wants_twice_is_named() -> None:
    cluster = ClusterDescription(
        platform_version="0.0.0",
        public=Address("127.0.0.1", 9003),
        private=Address("127.0.0.1", 9011),
        spu_count=1,
        spu_port_base=9010,
        log_directory="/nowhere",
    )
    said = [str(busy) for busy in find_busy_ports(cluster)]
    assert "port 9011 is wanted twice by this cluster" in said


def test_addresses() -> None:
    assert Address.parse("localhost:9003") == Address("localhost", 9003)
    assert str(Address.parse("[::1]:9003")) == "[::1]:9003"


@pytest.mark.parametrize("text", ["9003", ":9003", "host:", "host:70000", "host:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f'"{text}" is no address'):
        Address.parse(text)
