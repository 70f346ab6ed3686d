"""What is asked of a cluster, and where one is looked for: said in one line before anything is started."""

import socket
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from hardmine.distributed import addresses, cluster
from hardmine.distributed.cluster import PATIENCE_VARIABLE, asked_of, connected, patience


def test_what_a_task_asks_for_in_both_spellings():
    options, asked = asked_of({"num_gpus": 0.5, "memory": 1e9, "licence": 2})
    assert options == {"num_cpus": 1, "num_gpus": 0.5, "memory": 1e9, "resources": {"licence": 2}}
    assert asked == {"CPU": 1, "GPU": 0.5, "memory": 1e9, "licence": 2}


def test_numbers_of_numpy_are_given_to_ray_as_its_own():
    options, _ = asked_of({"num_cpus": np.float32(0.5), "memory": np.int64(10), "licence": np.float64(2)})
    assert options == {"num_cpus": 0.5, "memory": 10, "resources": {"licence": 2}}
    assert {type(options["num_cpus"]), type(options["memory"]), type(options["resources"]["licence"])} == {float}


def test_an_address_that_is_no_string_is_told_before_any_start():
    with pytest.raises(TypeError, match="^address: 3, expected a string such as 'HOST:PORT'$"), connected(3, None):
        pass


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"é": 1}, "resources: 'é', expected a name of printable ASCII characters"),
        ({"a\nb": 1}, r"resources: 'a\\nb', expected a name of printable ASCII characters"),
        ({"bundle": 1}, "resources: 'bundle', which Ray keeps to itself; expected another"),
        ({"num_cpus": 1e-9}, r"resources\['num_cpus'\]: 1e-09, expected at least 0.01"),
        ({"memory": 0.5}, r"resources\['memory'\]: 0.5, expected at least 1"),
        ({"licence": 1e-5}, r"resources\['licence'\]: 1e-05, expected at least 0.0001"),
        ({"memory": 10**15}, r"resources\['memory'\]: 1e\+15, expected at most 9.22337e\+14"),
        ({"licence": 10**30}, r"resources\['licence'\]: 1e\+30, expected at most 9.22337e\+14"),
        ({"num_gpus": 1.5}, r"resources\['num_gpus'\]: 1.5, expected a whole number, or less than 1"),
        ({"num_gpus": float("nan")}, r"resources\['num_gpus'\]: nan, expected a finite number"),
        ({"": 1}, "resources: an empty name, expected that of a resource"),
        ({"CPU": 1}, "resources: 'CPU', expected 'num_cpus' and 'num_gpus'"),
        ({"GPU": 1}, "resources: 'GPU', expected 'num_cpus' and 'num_gpus'"),
        ({"object_store_memory": 1}, "resources: 'object_store_memory', which no task asks for"),
    ],
)
def test_what_no_cluster_could_count_is_refused(given, line):
    """Ray takes 10**15 bytes for less than nothing, and a billionth of a processor for a billion processes."""
    with pytest.raises(ValueError, match=line):
        asked_of(given)


@pytest.mark.parametrize("given", ["abc", "-1", "0", "nan", "inf", "-inf", "5 s"])
def test_a_patience_that_is_no_number_of_seconds(given, monkeypatch):
    monkeypatch.setenv(PATIENCE_VARIABLE, given)
    with pytest.raises(ValueError, match=f"^{PATIENCE_VARIABLE}: '{given}', expected a number of seconds above 0$"):
        patience()


@pytest.mark.parametrize(("given", "seconds"), [("", 300), ("2.5", 2.5), ("1e3", 1000)])
def test_a_patience_that_is_one(given, seconds, monkeypatch):
    monkeypatch.setenv(PATIENCE_VARIABLE, given)
    assert patience() == seconds


@pytest.fixture
def foreign():
    """Starts a server that gives an answer, whatever it is asked, or none; gives its address."""
    servers, held = [], []

    def start(answer):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                if answer is not None:
                    connection.recv(100)
                    connection.sendall(answer)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield start
    for opened in servers + held:
        opened.close()


def test_who_listens_but_is_no_cluster_is_told_in_seconds(foreign, monkeypatch):
    """Ray itself asks for minutes, and then ends the process."""
    monkeypatch.setattr(addresses, "_PATIENCE", 0.5)
    for answer, line in (
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "somebody else listens there"),
        (b"", "somebody else listens there"),
        (b"\0\0", "somebody else listens there"),
        (None, "timed out"),
    ):
        with pytest.raises(OSError, match=line):
            addresses.refuse_strange(foreign(answer))
    # What gRPC begins with: settings, of whatever length.
    addresses.refuse_strange(foreign(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\1"))
    for address in ("auto", "local", "ray://127.0.0.1:1", "127.0.0.1"):
        addresses.refuse_strange(address)
    for address in ("127.0.0.1:1", "127.0.0.1:99999999999"):
        with pytest.raises(OSError, match="refused|range|port"):
            addresses.refuse_strange(address)


def test_calls_at_a_time_share_the_cluster_that_the_first_has_started(monkeypatch):
    """The last to leave ends it; one that was there before ends with none of them."""
    said = []
    connection = SimpleNamespace(
        is_initialized=lambda: bool(said) and said[-1] == "init",
        init=lambda **_: said.append("init"),
        shutdown=lambda: said.append("shutdown"),
    )
    monkeypatch.setattr(cluster, "refuse_strange", lambda _: None)
    first, second = cluster._entered(connection, "local"), cluster._entered(connection, None)
    assert (first, second, said) == (True, True, ["init"])
    cluster._left(connection)
    assert said == ["init"]
    cluster._left(connection)
    assert said == ["init", "shutdown"]
    said.append("init")  # by somebody else
    assert not cluster._entered(connection, None)
    assert said[-1] == "init"


def test_a_cluster_that_a_thread_starts_outlives_it(monkeypatch):
    """The servers that Ray starts end with the thread that starts them, on Linux."""
    started = []

    def init(**_):
        started.append(threading.current_thread())

    connection = SimpleNamespace(is_initialized=lambda: bool(started), init=init, shutdown=started.clear)
    monkeypatch.setattr(cluster, "refuse_strange", lambda _: None)
    first = threading.Thread(target=cluster._entered, args=(connection, "local"))
    first.start()
    first.join()
    assert cluster._entered(connection, None)
    (keeper,) = started
    assert keeper is not first
    assert keeper.is_alive()
    cluster._left(connection)
    assert keeper.is_alive()
    cluster._left(connection)
    keeper.join(60)
    assert not keeper.is_alive()

    def fails(**_):
        raise RuntimeError("no room")

    said = []
    failing = SimpleNamespace(is_initialized=lambda: False, init=fails, shutdown=lambda: said.append("shutdown"))

    def refused():
        try:
            cluster._entered(failing, "local")
        except cluster.ClusterError as error:
            said.append(str(error))

    thread = threading.Thread(target=refused)
    thread.start()
    thread.join()
    assert said == ["shutdown", "address: 'local': no room"]  # what it had started already ends
    assert cluster._guests == 0
