"""Meeting of the workers of a training before TensorFlow connects them.

TensorFlow waits for a missing worker in a call that no signal and no time limit ends. So the
workers meet first: the chief listens at its address; each of the others connects to it, sends its
configuration, and gets what it needs to know of the chief's run. Messages are lines of JSON.
"""

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from errors import UserError
from training.cluster import VARIABLE, Cluster
from training.resume import displayed
from waiting import waiting

RETRY = 0.2  # seconds between two attempts to reach the chief
MESSAGE = 5.0  # seconds for a connection, and for a message of a worker that is there
READY = "ready"  # the answer to a reply
PROBLEM = "problem"  # key of the reply to workers whose configurations differ


def meet_workers(
    cluster: Cluster, configuration: Mapping[str, Any], reply: Mapping[str, Any], timeout: float
) -> None:
    """Wait, on the chief, for all other workers, and send them a reply.

    Args:
        cluster: the workers.
        configuration: values by name that must be the same for all; of JSON types.
        reply: what the other workers get; of JSON types.
        timeout: seconds for which the chief waits.

    Raises:
        UserError: a worker is missing or has another configuration.
    """
    others = {k: f"worker {k} ({address})" for k, address in enumerate(cluster.addresses) if k}
    found, streams, until = {}, {}, time.monotonic() + timeout
    with (
        waiting(f"waiting for {', '.join(others.values())}", announced=True),
        listener(cluster) as server,
        contextlib.ExitStack() as stack,
    ):
        while missing := [name for k, name in others.items() if k not in found]:
            server.settimeout(max(until - time.monotonic(), RETRY))
            try:
                stream = stack.enter_context(opened(server.accept()[0], MESSAGE))
                message = json.loads(stream.readline())
                worker = message["worker"]
                found[worker], streams[worker] = message["configuration"], stream
            except (OSError, ValueError, KeyError, TypeError):  # nobody, or not a worker
                if time.monotonic() > until:
                    raise UserError(
                        f"{', '.join(missing)}: not started within {timeout:g} s", "worker_timeout"
                    ) from None
        problems = [
            f"{others[k]} has {difference}"
            for k in others
            for difference in differences(json.loads(json.dumps(configuration)), found[k])
        ]
        problem = "; ".join([*problems, "start the same command on each worker"])
        line = json.dumps({PROBLEM: problem} if problems else reply)
        ended = [others[k] for k in others if not accepted(streams[k], line)]
    if problems:
        raise UserError(problem)
    if ended:
        raise UserError(f"{', '.join(ended)} has ended; see its last lines")


def meet_chief(
    cluster: Cluster, configuration: Mapping[str, Any], timeout: float
) -> dict[str, Any]:
    """Connect to the chief and return its reply.

    Args:
        cluster: the workers, of which this one is not the chief.
        configuration: as for `meet_workers`.
        timeout: seconds for which the worker waits.

    Raises:
        UserError: the chief is missing, or a worker has another configuration than the chief.
    """
    chief, until = cluster.addresses[0], time.monotonic() + timeout
    message = json.dumps({"worker": cluster.index, "configuration": configuration})
    with waiting(f"waiting for the chief ({chief})", announced=True), listener(cluster):
        while time.monotonic() < until:
            with contextlib.suppress(OSError, ValueError):
                connection = socket.create_connection(host_and_port(chief), MESSAGE)
                with opened(connection, until - time.monotonic()) as stream:
                    print(message, file=stream, flush=True)
                    reply = json.loads(stream.readline())
                    print(READY, file=stream, flush=True)
                break
            time.sleep(RETRY)
        else:
            raise UserError(f"the chief ({chief}): no answer in {timeout:g} s", "worker_timeout")
    if PROBLEM in reply:
        raise UserError(reply[PROBLEM])
    return reply


def accepted(stream: TextIO, reply: str) -> bool:
    """Send a reply to a worker; return whether the worker is there and ready.

    The worker closes the connection first, so that the chief's address is free at once.
    """
    with contextlib.suppress(OSError):
        print(reply, file=stream, flush=True)
        return stream.read() == f"{READY}\n"
    return False


def differences(chief: Mapping[str, Any], worker: Mapping[str, Any]) -> list[str]:
    """Return a phrase for each value of a worker that differs from the chief's."""
    return [
        f"{name} {displayed(worker.get(name))}, the chief {displayed(chief.get(name))}"
        for name in dict.fromkeys([*chief, *worker])
        if chief.get(name) != worker.get(name)
    ]


@contextlib.contextmanager
def listener(cluster: Cluster) -> Iterator[socket.socket]:
    """Context of a socket that listens at the address of this worker.

    Raises:
        UserError: it cannot.
    """
    address, both = cluster.addresses[cluster.index], socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(
            ("", host_and_port(address)[1]), family=family, dualstack_ipv6=both
        )
    except OSError as error:
        raise UserError(f"{VARIABLE}: cannot listen at {address}: {error.strerror}") from None
    with server:
        yield server


@contextlib.contextmanager
def opened(connection: socket.socket, seconds: float) -> Iterator[TextIO]:
    """Context of the text stream of a connection that waits for a number of seconds."""
    with connection:
        connection.settimeout(max(seconds, RETRY))
        with contextlib.closing(connection.makefile("rw", encoding="utf-8")) as stream:
            yield stream


def host_and_port(address: str) -> tuple[str, int]:
    """Return the parts of an address "host:port"; the host may be "[...]", an IPv6 address."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
