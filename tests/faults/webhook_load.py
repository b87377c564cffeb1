"""Many webhooks over few connections, with the least work on the side that sends.

    python -m tests.faults.webhook_load PORT SECRET PROJECT    # 10,000 within a minute, evenly
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence

ACTIONS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED", "TASKS_CREATED")


def events(project: int, count: int, repeated: float = 0.2, seed: int = 0) -> list[bytes]:
    """Bodies of `count` events of one project, a share of them twice, in no order."""
    draw = random.Random(seed)  # noqa: S311  (the same storm every time)
    different = [
        json.dumps({
            "action": ACTIONS[i % len(ACTIONS)], "project": {"id": project},
            "task": {"id": i, "data": {"text": "x" * 80}}, "annotation": {"id": i, "result": []},
        }).encode()
        for i in range(round(count * (1 - repeated)))
    ]  # fmt: skip
    bodies = [*different, *draw.choices(different, k=count - len(different))]
    draw.shuffle(bodies)
    return bodies


def storm(
    port: int, secret: str, bodies: Sequence[bytes], connections: int = 32, seconds: float = 0.0
) -> tuple[list[int], list[float]]:
    """(statuses, seconds each took). seconds: over which they are spread, 0 as fast as it goes."""
    return asyncio.run(_storm(port, secret, bodies, connections, seconds))


async def _storm(
    port: int, secret: str, bodies: Sequence[bytes], connections: int, seconds: float
) -> tuple[list[int], list[float]]:
    statuses: list[int] = []
    took: list[float] = []
    begun = time.perf_counter()

    async def connection(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in range(first, len(bodies), connections):
            if seconds:
                await asyncio.sleep(begun + seconds * i / len(bodies) - time.perf_counter())
            at = time.perf_counter()
            writer.write(_request(secret, bodies[i]))
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )  # fmt: skip
            await reader.readexactly(length)
            took.append(time.perf_counter() - at)
            statuses.append(int(head.split()[1]))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection(i) for i in range(connections)))
    return statuses, took


def _request(secret: str, body: bytes) -> bytes:
    head = (
        "POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Crux-Secret: {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def percentile(took: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return 1000 * sorted(took)[min(len(took) - 1, int(share * len(took)))]


def said(took: Sequence[float]) -> str:
    """The figures in one line."""
    parts = (f"p{round(100 * s)} {percentile(took, s):.1f} ms" for s in (0.5, 0.95, 0.99))
    return f"{len(took)} webhooks: {', '.join(parts)}, longest {1000 * max(took):.0f} ms"


if __name__ == "__main__":
    answers, waited = storm(
        int(sys.argv[1]), sys.argv[2], events(int(sys.argv[3]), 10_000), seconds=60.0
    )
    print(said(waited), f"statuses {sorted(set(answers))}")
