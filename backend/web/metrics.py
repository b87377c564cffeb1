"""Figures for Prometheus: GET /metrics.

What happens in this process is counted as it happens. What is on disk (versions, kappas, the state
of the worker) is read at each request, so the figures cover the worker too. They are those of one
server process: several gunicorn workers would each show their own.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.versions.registry import Registry
from selection.errors import CruxError
from selection.types import Estimate

log = logging.getLogger(__name__)

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (16, 64, 128, 256, 512, 1_024, 4_096, 16_384)
KAPPAS = {
    "experts": "expert_kappa",
    "boundary": "boundary_kappa",
    "production": "production_kappa",
    "start": "start_kappa",
}
Count = Callable[[], int]


class Metrics:
    """The figures of one serving process, in a registry of their own."""

    def __init__(self, registry: Registry, jobs_waiting: Count, requests_waiting: Count) -> None:
        """jobs_waiting: in the worker's queue; raises CruxError if it cannot be read.
        requests_waiting: for the model.
        """
        self._all = CollectorRegistry()
        self._requests = Counter(
            "crux_requests", "Requests answered", ["route", "method", "status"], registry=self._all
        )
        self._seconds = Histogram(
            "crux_request_seconds", "Time to answer", ["route"], buckets=SECONDS,
            registry=self._all,
        )  # fmt: skip
        self._texts = Counter(
            "crux_texts", "Texts that /predict and /score asked about", registry=self._all
        )
        self._remembered = Counter(
            "crux_texts_remembered", "Of these, those that were not read for it",
            registry=self._all,
        )  # fmt: skip
        self._batch_texts = Histogram(
            "crux_batch_texts", "Texts in a forward pass", buckets=TEXTS, registry=self._all
        )
        self._batch_tokens = Histogram(
            "crux_batch_tokens", "Tokens in a forward pass", buckets=TOKENS, registry=self._all
        )
        self._batch_seconds = Histogram(
            "crux_batch_seconds", "Time of a forward pass", buckets=SECONDS, registry=self._all
        )
        waiting = Gauge("crux_requests_waiting", "Requests that wait for the model",
                        registry=self._all)  # fmt: skip
        waiting.set_function(requests_waiting)
        ProcessCollector(registry=self._all)
        self._all.register(_DiskCollector(registry, jobs_waiting))

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request. route: as declared, so that there are few different ones."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_texts(self, texts: int) -> None:
        """Count the texts of an answered request."""
        self._texts.inc(texts)

    def count_remembered(self, texts: int) -> None:
        """Count the texts of a request that the model did not have to read: Scorer's `hit`."""
        self._remembered.inc(texts)

    def observe_batch(self, texts: int, tokens: int, seconds: float) -> None:
        """Count a forward pass: `observe` of an engine."""
        self._batch_texts.observe(texts)
        self._batch_tokens.observe(tokens)
        self._batch_seconds.observe(seconds)

    def watch_texts(self, waiting: Count) -> None:
        """Show how many texts the engine still has to read."""
        gauge = Gauge("crux_texts_waiting", "Texts that wait for the model", registry=self._all)
        gauge.set_function(waiting)

    def exposition(self) -> bytes:
        """Return all figures in Prometheus's text format (CONTENT_TYPE)."""
        return generate_latest(self._all)


class _DiskCollector(Collector):
    """Reads registry and queue at each request. Labels: project, and what the name says."""

    def __init__(self, registry: Registry, jobs_waiting: Count) -> None:
        self._registry = registry
        self._jobs_waiting = jobs_waiting

    def collect(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("crux_jobs_waiting", "Jobs in the worker's queue")
        with _log_errors():
            waiting.add_metric([], self._jobs_waiting())
        yield waiting
        families = _Families()
        for project in self._registry.projects():
            for step in (self._versions, self._training, self._rounds):
                with _log_errors():
                    step(families, project)
        yield from families

    def _versions(self, families: "_Families", project: int) -> None:
        count = len(self._registry.versions(project))
        families.versions.add_metric([str(project)], count)
        current = self._registry.current(project)
        if current is not None:
            families.version.add_metric([str(project)], {"version": current})

    def _training(self, families: "_Families", project: int) -> None:
        training = self._registry.training(project)
        families.worker.add_metric([str(project), training.state], 1)
        families.done.add_metric([str(project)], training.done)
        families.total.add_metric([str(project)], training.total)

    def _rounds(self, families: "_Families", project: int) -> None:
        records = self._registry.records(project)
        seconds = sum(record.train_seconds for record in records)
        families.seconds.add_metric([str(project)], seconds)
        if records:
            families.round.add_metric([str(project)], records[-1].round)
            for kind, key in KAPPAS.items():
                families.kappa(project, kind, getattr(records[-1], key))


class _Families:
    """The metrics of all projects."""

    def __init__(self) -> None:
        one = ["project"]
        self.version = InfoMetricFamily("crux_version", "The version in force", labels=one)
        self.versions = GaugeMetricFamily("crux_versions", "Versions on disk", labels=one)
        self.worker = GaugeMetricFamily(
            "crux_worker", "1 for what the worker does for a project", labels=[*one, "state"]
        )
        self.done = GaugeMetricFamily("crux_training_done", "Steps or texts done", labels=one)
        self.total = GaugeMetricFamily("crux_training_steps", "Steps or texts to do", labels=one)
        self.seconds = GaugeMetricFamily(
            "crux_training_seconds", "Time of the trainings of all rounds", labels=one
        )
        self.round = GaugeMetricFamily("crux_round", "The last measured round", labels=one)
        kind = [*one, "kind"]
        self.value = GaugeMetricFamily("crux_kappa", "Kappa; absent if undefined", labels=kind)
        self.low = GaugeMetricFamily("crux_kappa_low", "Lower end of the interval", labels=kind)
        self.high = GaugeMetricFamily("crux_kappa_high", "Upper end of the interval", labels=kind)

    def kappa(self, project: int, kind: str, estimate: Estimate) -> None:
        """Add the defined figures of an estimate."""
        pairs = (
            (estimate.value, self.value), (estimate.low, self.low), (estimate.high, self.high)
        )  # fmt: skip
        for value, family in pairs:
            if value is not None:
                family.add_metric([str(project), kind], value)

    def __iter__(self) -> Iterator[Metric]:
        yield from vars(self).values()


@contextmanager
def _log_errors() -> Iterator[None]:
    """Leave out what cannot be read, with a line in the log; the other figures are shown."""
    try:
        yield
    except CruxError as error:
        log.warning("left out of /metrics: %s", error)
