"""Figures for Prometheus: of jobs, requests and this process; nothing of users and patients."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one daemon, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "cloudsec_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "cloudsec_request_seconds", "From a request's head to the end of its answer.", registry=registry
        )
        self.wrong_tokens = Counter(
            "cloudsec_wrong_tokens", "Requests without a good token.", registry=registry
        )
        self.jobs_ended = Counter(
            "cloudsec_jobs_ended", "Jobs that this daemon's workers ended.", ("state",), registry=registry
        )
        self.claims_lost = Counter(
            "cloudsec_claims_lost", "Jobs that were another's before they were done.", registry=registry
        )
        self.job_seconds = Histogram(
            "cloudsec_job_seconds",
            "From the claim of a job to its end.",
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000),
            registry=registry,
        )
        self._jobs = Gauge("cloudsec_jobs", "Jobs in the database, by state.", ("state",), registry=registry)

    def page(self, jobs: Mapping[str, int]) -> bytes:
        """All figures as Prometheus reads them, with how many jobs there are in each state."""
        for state, count in jobs.items():
            self._jobs.labels(state).set(count)
        return generate_latest(self._registry)
