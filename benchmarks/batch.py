"""What a message of a batch costs, beside one of its own: ``python -m benchmarks.batch [--rounds 3] [--texts 20000]``.

Processor time of the connector per message, in two columns:

- *accepted*: from the request to the answer behind the commit. The bind submits one text a second, so the rest of the
  way costs nothing here. This is what a batch can save.
- *all the way*: with submit_sm, its response and the report, which are the same for both.

W1 is the row of that name (``rows.py``): single requests on 32 connections. The batches have the same texts, 10,000 in
a request, one request after the other on one connection. All in turns; the ratio to W1 of the same round is what to
compare between machines.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from statistics import median

from benchmarks.gateways import SHORT, Ours, processor_seconds
from benchmarks.peer import PREFIX, Peer, build
from benchmarks.rows import ROWS, WARM_UP, pattern

SIZE = 10_000
NDJSON, JSON = "application/x-ndjson", "application/json"


def numbers(first: int, count: int) -> list[str]:
    return [f"+{PREFIX}{number:08}" for number in range(first, first + count)]


def lines(to: list[str]) -> tuple[str, str]:
    return NDJSON, "\n".join(json.dumps({"To": one, "Body": SHORT, "channel": "smpp"}) for one in to)


def array(to: list[str]) -> tuple[str, str]:
    return JSON, json.dumps([{"To": one, "Body": SHORT, "channel": "smpp"} for one in to])


def recipients(to: list[str]) -> tuple[str, str]:
    text, number = SHORT.rsplit(" ", 1)
    return JSON, json.dumps({"Body": f"{text} {{code}}", "To": [{"To": one, "code": number} for one in to]})


KINDS: dict[str, Callable[[list[str]], tuple[str, str]]] = {
    "NDJSON": lines,
    "array": array,
    "recipients": recipients,
}


def post(kind: str, gateway: Ours, first: int, count: int) -> None:
    """RuntimeError if one of them is not accepted."""
    connection = HTTPConnection("127.0.0.1", gateway.port)
    for at in range(first, first + count, SIZE):
        content_type, body = KINDS[kind](numbers(at, min(SIZE, first + count - at)))
        connection.request("POST", "/msg-client/send-batch", body, {"Content-Type": content_type})
        answer = connection.getresponse().read()
        accepted = answer.count(b'"status": 200')
        if accepted != min(SIZE, first + count - at):
            raise RuntimeError(f"{accepted} were accepted: {answer[:300]!r}")
    connection.close()


def cost(peer: Peer, work: Callable[[Ours, int, int], None], texts: int, *, all_the_way: bool) -> float:
    """Microseconds a message."""
    gateway = Ours(peer, False, bind={} if all_the_way else {"throughput": 1}).start()
    try:
        peer.smsc_is()
        work(gateway, 0, WARM_UP)
        gateway.settle()
        begun = processor_seconds(gateway.pids)
        work(gateway, WARM_UP, texts)
        gateway.settle()
        return (processor_seconds(gateway.pids) - begun) / texts * 1e6
    finally:
        gateway.stop()


def singles(peer: Peer, gateway: Ours, _first: int, count: int) -> None:
    row = ROWS["W1"]
    result = peer.load(gateway.port, gateway.template(SHORT, False), count, submits=0, reports=0, **pattern(row))
    if result["statuses"] != {"200": count}:
        raise RuntimeError(f"not all were accepted: {result}")


def main() -> None:
    parser = argparse.ArgumentParser(description="what a message of a batch costs, beside one of its own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=20_000)
    options = parser.parse_args()
    build()
    names = ["W1", *KINDS]
    found: dict[tuple[str, bool], list[float]] = {}
    for turn in range(options.rounds):
        for all_the_way in (False, True):
            for name in names if turn % 2 == 0 else reversed(names):
                with Peer() as peer:
                    work = partial(post, name) if name in KINDS else partial(singles, peer)
                    one = cost(peer, work, options.texts, all_the_way=all_the_way)
                found.setdefault((name, all_the_way), []).append(one)
                print(f"{name:10}  {'all the way' if all_the_way else 'accepted':11}  {one:6.1f} us", flush=True)
    for all_the_way in (False, True):
        print("all the way" if all_the_way else "accepted")
        for name in names:
            costs, single = found[name, all_the_way], found["W1", all_the_way]
            ratios = [cost / of_single for cost, of_single in zip(costs, single, strict=True)]
            shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"  {name:10}  {median(costs):6.1f} us  {median(ratios):.2f} of W1 ({shown})")


if __name__ == "__main__":
    main()
